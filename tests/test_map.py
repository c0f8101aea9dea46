"""The map of a run's features, its neighbours and the film, by hand and in a real browser."""

import base64
import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from conftest import make_split
from fashion_cnn.data.split import divide
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.neighbours import images_to_map, in_a_plane, nearest
from fashion_cnn.reporting import map as mapping
from fashion_cnn.reporting.map import map_features
from fashion_cnn.reporting.pictures import COLUMNS
from fashion_cnn.reporting.report import make_report
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.training.film import film_epoch
from finished import finished_run
from test_report import CONTRAST, opened

TRAINING = make_split(400, seed=3)
EPOCHS = 5


class Seeing:
    """Sees the brightness of ten bars: what the classes differ in."""

    def features(self, images: np.ndarray) -> np.ndarray:
        rows = [images[:, 2 * k + 3 : 2 * k + 6, 4:24].mean((1, 2)) for k in range(10)]
        return np.stack(rows, 1).astype(np.float32)


def filmed(run: Run) -> None:
    """A film of a network that learns class after class, and forgets the first at the end."""
    data = divide(make_split(400), validation=0.5)
    labels = data.validation.labels
    for epoch in range(1, EPOCHS + 1):
        known = (labels < 2 * epoch) & ~((epoch == EPOCHS) & (labels == 0))
        answers = np.where(known, labels, (labels + 1) % 10)
        logits = 9 * np.eye(10, dtype=np.float32)[answers]
        record = EpochRecord(epoch, 10 * epoch, 1e-3, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0)
        filters = np.full((4, 1, 3, 3), epoch / EPOCHS)
        score = lambda images: np.tile(logits[:1], (len(images), 1))  # noqa: E731, B023
        frame = film_epoch(data, record, 0, logits, score, filters)
        assert frame
        run.record_frame(frame)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> tuple[Path, Run]:
    run, metrics, images = finished_run(tmp_path_factory.mktemp("map") / "run")
    filmed(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "MOST_POINTS", 500)
        first = np.flatnonzero(~run.results.predictions.correct)[:5].tolist()
        found = map_features(Seeing(), images, run.results.predictions, first, TRAINING)  # type: ignore
    html = make_report(run, metrics, images, None, found)
    return run.results.write_page(html), run


def test_the_nearest_are_the_nearest() -> None:
    random = np.random.default_rng(0)
    some, many = (random.normal(size=(n, 6)).astype(np.float32) for n in (300, 500))
    distances = np.linalg.norm(some[:, None] - many, axis=2)
    assert (nearest(some, many, 4) == distances.argsort(1)[:, :4]).all()


def test_mistakes_are_mapped_and_what_must_be(tmp_path) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    found = run.results.predictions
    wrong = np.flatnonzero(~found.correct)
    hits = np.flatnonzero(found.correct)[:7]
    chosen = images_to_map(found, hits, len(wrong) + 50)
    assert len(np.unique(chosen)) == len(chosen) == len(wrong) + 50
    assert {*wrong, *hits} < set(chosen)
    assert images_to_map(found, hits, 7).tolist() == hits.tolist()
    assert images_to_map(found, hits, 9**9).tolist() == list(range(1200))


def test_a_map_says_whether_all_mistakes_are_on_it(page_file, tmp_path, monkeypatch) -> None:
    html, run = page_file
    assert "every mistake among them" in html.read_text()
    predictions, images = run.results.predictions, make_split(1200, seed=1)
    monkeypatch.setattr(mapping, "MOST_POINTS", int((~predictions.correct).sum()) - 1)
    found = map_features(Seeing(), images, predictions, [], TRAINING)  # type: ignore[arg-type]
    assert not found.has_all_mistakes


def test_a_map_of_too_few_is_refused(tmp_path) -> None:
    run, _, images = finished_run(tmp_path / "run")
    few = make_split(6, seed=9)
    with pytest.raises(UsageError, match="more than 8 training images and at least 4 .* not 6"):
        map_features(Seeing(), images, run.results.predictions, [], few)  # type: ignore[arg-type]


def test_neighbours_stay_neighbours_in_the_plane() -> None:
    images = make_split(120, seed=5)
    places = in_a_plane(Seeing().features(images.images))
    assert places.shape == (120, 2)
    order = np.linalg.norm(places[:, None] - places, axis=2).argsort(1)[:, 1:4]
    assert (images.labels[order] == images.labels[:, None]).mean() > 0.9
    assert (in_a_plane(Seeing().features(images.images)) == places).all(), "the same each time"


def test_the_map_by_mouse_and_keyboard(chromium: Browser, page_file, tmp_path) -> None:
    path, run = page_file
    page, wrong = opened(chromium, path, viewport={"width": 1100, "height": 900})
    page.locator("#map-canvas").scroll_into_view_if_needed()
    page.focus("#map-canvas")
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    large = page.locator("dialog[open]")
    assert large.locator(".near .px").count() == 8
    assert "The 8 nearest training images" in large.inner_text()
    page.keyboard.press("Escape")
    page.select_option("#map-colour", "mistake")
    assert "right wrong" in " ".join(page.inner_text("#map-legend").split())
    page.click("#map-all")
    page.click("#map-lasso")
    box = page.locator("#map-canvas").bounding_box()
    assert box
    corners = [(2, 2), (box["width"] - 2, 2), (box["width"] - 2, box["height"] - 2)]
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] - 2)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.up()
    found = run.results.predictions
    missed = int((~found.correct).sum())
    assert page.inner_text("#map-said") == f"500 images selected, {missed} of them wrong"
    with page.expect_download() as download:
        page.click("#map-csv")
    download.value.save_as(tmp_path / "images.csv")
    rows = list(csv.DictReader((tmp_path / "images.csv").read_text().splitlines()))
    assert len(rows) == 500
    names = run.results.metrics.class_names
    for row in rows:
        index = int(row["index"])
        assert row["label"] == names[found.labels[index]]
        assert row["answer"] == names[found.predicted[index]]
        assert float(row["confidence"]) == pytest.approx(found.confidence[index], abs=6e-4)
    assert page.locator("#galleries .near").count() > 24, "neighbours in the galleries too"
    assert wrong == []
    page.close()


def test_what_is_printed_is_cut_from_a_sheet_of_its_own(chromium: Browser, page_file) -> None:
    """A browser unpacks a sheet for every picture cut from it: of all images, for minutes."""
    page, wrong = opened(chromium, page_file[0])
    pictures = page.locator("#galleries button.px")
    assert page.locator("#galleries .near:visible").count() > 0
    page.emulate_media(media="print")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.locator(".near:visible, #film:visible, #map-taken:visible").count() == 0
    address = pictures.first.evaluate("one => getComputedStyle(one).backgroundImage")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as sheet:
        shown = np.asarray(sheet.convert("L"))
    assert shown.shape[0] // 28 <= -(-pictures.count() // COLUMNS)
    for picture in (pictures.first, pictures.last):
        place, index = int(picture.get_attribute("data-place") or ""), index_of(picture)
        y, x = 28 * (place // COLUMNS), 28 * (place % COLUMNS)
        distance = shown[y : y + 28, x : x + 28].astype(int) - make_split(1200, 1).images[index]
        assert abs(distance).mean() < 20, "lossy"
    assert len(page.pdf()) > 50_000
    assert wrong == []
    page.close()


def index_of(picture: Locator) -> int:
    """The position of a picture of the galleries in its data."""
    found = re.match(r"image (\d+):", picture.get_attribute("aria-label") or "")
    assert found
    return int(found[1])


def test_the_film_plays_and_is_wound_by_keyboard(chromium: Browser, page_file) -> None:
    path, run = page_file
    page, wrong = opened(chromium, path, viewport={"width": 1100, "height": 900})
    film = run.film
    assert film
    said = page.locator("#film-said")
    shares = [100 * counts.trace() / counts.sum() for counts in film.confusion]
    assert said.inner_text() == f"5: {shares[-1]:.2f}\N{NO-BREAK SPACE}% right"
    page.focus("#film-at")
    page.keyboard.press("Home")
    assert said.inner_text().startswith(f"1: {shares[0]:.2f}")
    cells = page.locator("#film-matrix .cell").all_inner_texts()
    assert [int(text) for text in cells] == film.confusion[0].ravel().tolist()
    garments = page.locator("#film-garments button")
    courses = [label or "" for label in garments.evaluate_all("all => all.map(e => e.ariaLabel)")]
    assert courses[0] == "T-shirt/top: learned at epoch 1, forgotten at 5"
    page.click("#film-play")
    expect(page.locator("#film-at")).to_have_value("4", timeout=60_000)
    expect(page.locator("#film-play")).to_have_text("Play", timeout=60_000)
    garments.last.press("Enter")
    texts = page.locator("#film-chosen h4").all_inner_texts()
    assert len(texts) == 3, "two to begin with, and the one that was chosen"
    assert re.fullmatch(r"[\w/ -]+: learned at epoch \d", texts[-1])
    assert wrong == []
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_it_fits_and_can_be_read(chromium: Browser, page_file, scheme, width: int) -> None:
    path, _ = page_file
    size = {"width": width, "height": 800}
    page, wrong = opened(chromium, path, color_scheme=scheme, viewport=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5, "WCAG AA"
    assert page.locator(".scroll:not([tabindex])").count() == 0, "reached by keyboard"
    script = path.read_text().rpartition("<script>")[2]
    assert len(script) < 60_000
    assert path.stat().st_size < 4_000_000
    assert wrong == []
    page.close()
