"""The page in a real browser, and what it says."""

import dataclasses
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

import fashion_cnn
from conftest import make_split
from drawn import drawing
from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.evaluate import evaluate_run
from fashion_cnn.evaluation.mistakes import confident_mistakes
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.charts import charts
from fashion_cnn.reporting.report import _galleries, _matrix, make_report, report
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import Metrics
from fashion_cnn.shipping.inside import Inside
from fashion_cnn.shipping.layers import seen_layers
from fashion_cnn.shipping.predict import open_model
from finished import Guesser, around, finished_run
from opened import load_test

HOSTILE = "<img src=x onerror=document.title=1>'\"&"
PHONE = {"width": 390, "height": 800}
SQUARE = {"x": 0, "y": 0, "width": 28, "height": 28}
IN_SCRIPT = "</script><script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> tuple[Path, Run]:
    run, metrics, images = finished_run(tmp_path_factory.mktemp("report") / "run")
    with drawing():
        return run.results.write_page(make_report(run, metrics, images)), run


def opened(browser: Browser, path: Path, **options) -> tuple[Page, list[str]]:
    """The page, and what must stay empty: errors, and requests for anything but the page."""
    page = browser.new_page(**options)
    page.set_default_timeout(120_000)  # a busy machine is slow, not wrong
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    url = path.resolve().as_uri()
    page.on("request", lambda r: None if r.url in (url, "data:,") else wrong.append(r.url[:90]))
    page.goto(url)
    wrong[:] = [line for line in wrong if not line.startswith("data:")]
    return page, wrong


def test_every_cell_shows_its_images(chromium: Browser, page_file) -> None:
    path, run = page_file
    page, wrong = opened(chromium, path)
    found = run.results.predictions
    cells = page.locator("button.cell")
    assert cells.count() == len(set(zip(found.labels, found.predicted, strict=True)))
    for cell in ("0-0", "9-0", "3-4"):
        a, b = map(int, cell.split("-"))
        page.click(f"[data-cell='{cell}']")
        inside = np.flatnonzero((found.labels == a) & (found.predicted == b))
        shown = page.locator("#shown li")
        assert shown.count() == min(len(inside), 48 if a == b else len(inside))
        order = np.argsort(found.confidence[inside] * (1 if a == b else -1), kind="stable")
        wanted = [f"#{index}" for index in inside[order][: shown.count()]]
        assert shown.evaluate_all("items => items.map(item => item.title)") == wanted
        assert page.locator("[aria-pressed=true]").get_attribute("data-cell") == cell
    assert wrong == []


def test_the_pixels_are_those_of_the_image(chromium: Browser, page_file) -> None:
    path, _ = page_file
    page, _ = opened(chromium, path, viewport={"width": 1200, "height": 900})
    page.click("[data-cell='9-0']")
    style = "width: 28px; height: 28px; --px: 28px; border-radius: 0; margin: 0; z-index: 9"
    place = "position: fixed; left: 0; top: 0"  # on whole pixels
    page.add_style_tag(content=f"#shown li:last-child .px {{ {style}; {place} }}")
    item = page.locator("#shown li").last
    index = int((item.get_attribute("title") or "")[1:])
    seen = np.array(Image.open(io.BytesIO(page.screenshot(clip=SQUARE))).convert("L"))
    images = make_split(1200, seed=1).images
    differences = np.abs(images.astype(int) - seen).mean((1, 2))
    assert differences.argmin() == index
    assert differences[index] < 1


def test_the_keyboard_walks_the_matrix(chromium: Browser, page_file) -> None:
    page, wrong = opened(chromium, page_file[0])
    page.focus("[data-cell='0-0']")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.cell") == "0-1"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("[aria-pressed=true]").get_attribute("data-cell") == "1-1"
    page.focus("[data-cell='0-0']")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.cell") == "0-0"
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(chromium: Browser, page_file, scheme, width: int) -> None:
    path, _ = page_file
    size = {"width": width, "height": 800}
    page, wrong = opened(chromium, path, color_scheme=scheme, viewport=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5, "WCAG AA"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('[role=img]:not([aria-label]), img:not([alt])')].length"
    )
    assert unnamed == 0
    assert wrong == []
    page.close()


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour, under) => {
    canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const ratios = [...document.querySelectorAll('p, span, th, td, b, button, a, dt, dd, code, h2')]
    .filter(e => e.textContent.trim() && e.offsetParent && !e.closest('.skip')).map(e => {
      const own = e.closest('.cell') || e;
      const back = rgb(getComputedStyle(own).backgroundColor, paper);
      const ink = rgb(getComputedStyle(e).color, `rgb(${back.join(',')})`);
      const [a, b] = [light(back), light(ink)].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    });
  return Math.min(...ratios);
}"""


def test_the_charts_are_small_text_and_the_same_each_time(page_file) -> None:
    path, run = page_file
    drawn = charts(run, run.results.metrics)
    assert set(drawn) == {"loss", "accuracy", "reliability", "risk"}
    for svg in drawn.values():
        assert svg in path.read_text()
        assert len(svg) < 40_000
        assert re.search(r"<title>[^<]+</title><desc>[^<]+ at [^<]+</desc>", svg)
        assert "<text " in svg
        assert not re.search("#(000000|ffffff|1f77b4|d95f02)", svg), "the page gives the colours"
    for record in run.history:
        assert f"{record.val_loss:.4g} at {record.epoch}" in drawn["loss"]
        assert f"{record.train_accuracy:.4g} at {record.epoch}" in drawn["accuracy"]


def test_print_hides_what_only_a_screen_can_do(chromium: Browser, page_file) -> None:
    page, _ = opened(chromium, page_file[0])
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#shown").is_visible()
    assert page.locator("#galleries .px").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_names_are_escaped(chromium: Browser, tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / HOSTILE)
    names = (HOSTILE, IN_SCRIPT, *metrics.class_names[2:])
    metrics = dataclasses.replace(metrics, class_names=names)
    environment = {**run.environment, "device": IN_SCRIPT, HOSTILE: "x"}
    run.describe(environment, run.split)
    page, wrong = opened(chromium, run.results.write_page(make_report(run, metrics, images)))
    page.click("[data-cell='0-1']")
    assert HOSTILE in (page.locator("#shown h3").text_content() or "")
    assert page.title().startswith(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert wrong == []


def test_it_says_what_the_folder_says(page_file) -> None:
    path, run = page_file
    text = re.sub(r"<[^>]+>", " ", path.read_text()).replace("\N{NO-BREAK SPACE}", " ")
    shown = run.results.metrics.shown
    calibration = run.results.calibration
    assert calibration
    for wanted in (
        f"{100 * shown.accuracy:.2f} %",
        f"{100 * shown.interval[0]:.2f} % to {100 * shown.interval[1]:.2f} %",
        f"temperature {calibration['temperature']:.3f}",
        f"{100 * calibration['measured']['after']['ece']:.2f} %",
        f"{shown.per_class[6].recall:.3f}",
        "fashion-cnn train baseline --epochs 3 --threads 2",
        "this run",
        f"{shown.loss:.4f}",
    ):
        assert wanted in text, wanted


def test_a_sealed_or_interrupted_run_says_so(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run", sealed=True)
    metrics = dataclasses.replace(metrics, status="interrupted")
    text = make_report(run, metrics, images)
    assert "The test set is sealed" in text
    assert "The run is interrupted: 3 of 3 epochs" in text
    assert "--no-test" in text
    run.record_history([])
    assert "No epoch was finished" in make_report(run, metrics, images)


def test_label_smoothing_is_named_where_it_was_undone(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run", label_smoothing=0.1)
    assert "smoothed in training, by 0.1;" in make_report(run, metrics, images)
    calibration = run.results.calibration
    assert calibration
    del calibration["label_smoothing"]  # an evaluation from before it was
    run.results.write_calibration(calibration)
    assert "smoothed in training" not in make_report(run, metrics, images)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"framework": "pytorch"}, "fashion-cnn train "),
        ({"framework": "pytorch", "ranks": 2}, "torchrun --standalone --nproc-per-node 2 -m"),
        (
            {"framework": "keras", "backend": "torch"},
            "KERAS_BACKEND=torch fashion-cnn train baseline --framework keras",
        ),
    ],
)
def test_the_command_is_that_of_the_run(tmp_path, environment: dict, wanted: str) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    run.describe({**run.environment, **environment}, run.split)
    run.record_recipe(Recipe())
    assert wanted in make_report(run, metrics, images)


def test_heat_maps_stand_beside_the_images(tmp_path, chromium: Browser) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    maps = {index: np.full((28, 28), 0.5 - index / 1200) for index in range(1200)}
    path = run.results.write_page(make_report(run, metrics, images, maps))
    page, wrong = opened(chromium, path)
    for part, some in (("#galleries", 40), ("#shown", 5)):
        pictures = page.locator(f"{part} .px:not(.heat)")
        assert page.locator(f"{part} .heat").count() == pictures.count() > some
    under = page.locator("#galleries .px.heat").first
    assert "data:image" in under.evaluate("(one) => getComputedStyle(one).backgroundImage")
    assert "50 points" in page.inner_text("#galleries"), "the scale says what its end stands for"
    legend = "covering a place adds 50 points takes 50 points"
    assert legend in " ".join(page.inner_text("#shown").split())
    page.click("#shown button.px >> nth=0")
    assert legend in " ".join(page.inner_text("dialog").split())
    assert wrong == []


def test_garments_are_followed_through_the_layers(tmp_path, chromium: Browser) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    chosen = confident_mistakes(run.results.predictions, 3).tolist()
    inside = Inside(open_model(threads=1))
    seen = {index: seen_layers(inside, images.images[index]) for index in chosen}
    path = run.results.write_page(make_report(run, metrics, images, layers=seen))
    assert "export class" not in path.read_text()
    page, wrong = opened(chromium, path, viewport=PHONE)
    garments = page.locator("#layers-garments button")
    assert garments.count() == 3
    answers = [seen[index]["classes"][0]["label"] for index in chosen]
    first = page.locator("#layers .scores button").first
    assert first.inner_text().startswith(answers[0])
    garments.nth(2).press("Enter")
    assert garments.nth(2).get_attribute("aria-pressed") == "true"
    assert first.inner_text().startswith(answers[2])
    said = page.inner_text("#layers .window > p:last-child")
    page.focus("#layers .at-work canvas")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert page.inner_text("#layers .window > p:last-child") != said
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert wrong == []
    page.close()


@pytest.mark.parametrize("show", ["map", ["maps"], ["map", "x"]])
def test_what_cannot_be_shown_is_refused(tmp_path, show) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    with pytest.raises(UsageError, match="heat-maps, map, layers"):
        fashion_cnn.report(run, show=show)


def test_a_picture_opens_large_and_the_keyboard_goes_on(chromium: Browser, page_file) -> None:
    path, run = page_file
    page, wrong = opened(chromium, path, viewport=PHONE)
    found = run.results.predictions
    surest = confident_mistakes(found, 2).tolist()
    page.focus("#galleries button.px >> nth=0")
    page.keyboard.press("Enter")
    large = page.locator("dialog[open]")
    assert f"image {surest[0]}." in large.inner_text()
    row = found.probabilities[surest[0]]
    assert large.locator(".bars li").count() == 10
    likeliest = large.locator(".bars li").first.inner_text().split("\n")
    assert likeliest[0] == run.results.metrics.class_names[row.argmax()]
    assert likeliest[-1] == f"{100 * row.max():.1f}\N{NO-BREAK SPACE}%"
    page.keyboard.press("ArrowRight")
    assert f"image {surest[1]}." in large.inner_text()
    page.keyboard.press("Escape")
    assert large.count() == 0
    page.click("#shown button.px >> nth=0")
    page.click("dialog .close")
    assert large.count() == 0
    assert wrong == []
    page.close()


def test_no_mistake_is_certain_and_a_phone_scrolls_little(tmp_path, chromium: Browser) -> None:
    run, metrics, images = finished_run(tmp_path / "run", skill=6)
    found = run.results.predictions
    wrong = confident_mistakes(found, 3)
    found.probabilities[wrong] = np.eye(10)[found.predicted[wrong]]
    found.probabilities[wrong[1]] *= 0.996
    run.results.write_predictions(found)
    html = make_report(run, metrics, images)
    page, errors = opened(chromium, run.results.write_page(html), viewport=PHONE)
    said = [text.split()[-2] for text in page.locator("#galleries .said").all_inner_texts()[:3]]
    assert said == ["99.9", "99.9", "99.6"], "of answers that are wrong"
    assert page.evaluate("document.documentElement.scrollHeight") < 12_000
    assert errors == []
    page.close()


def test_it_opens_with_what_was_trained_on_what(page_file, tmp_path) -> None:
    path, _ = page_file
    assert "A simple_cnn, trained on Fashion-MNIST." in path.read_text()
    again, metrics, images = finished_run(tmp_path / "run")
    again.describe(
        again.environment, {**again.split, "training_images": 54_000, "validation_images": 6_000}
    )
    (again.path / "layers.json").write_text(
        json.dumps({"parameters": 241_546, "flop": 1, "layers": []})
    )
    head = make_report(again, metrics, images).split("<nav")[0]
    assert "of 241,546 parameters, trained on 54,000 images of Fashion-MNIST and validated" in head
    assert "on 6,000 others." in head


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "this gives the same bits"),
        ({"framework": "keras"}, "the same bits need <code>--deterministic"),
        ({"framework": "keras", "threads": 1}, "this gives the same bits"),
        ({"device": "cuda"}, "the same bits need <code>--deterministic"),
        ({"device": "cuda", "deterministic": True}, "this gives the same bits"),
    ],
)
def test_the_same_bits_are_promised_where_they_come(tmp_path, change: dict, words: str) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    run.describe({**run.environment, **change}, run.split)
    assert words in make_report(run, metrics, images)
    stopped = dataclasses.replace(metrics, status="interrupted")
    assert "the command trains all of the recipe" in make_report(run, stopped, images)


def test_a_record_without_a_log_tells_its_openings_too(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    (run.path / "log.jsonl").unlink()
    page = make_report(run, dataclasses.replace(metrics, test_readings=1), images)
    assert "<dd>1 time<small>by this run" in page


def test_other_images_are_refused(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    with pytest.raises(UsageError, match="is not of these 1199 images"):
        make_report(run, metrics, images.select(np.arange(1199)))


def test_the_command_on_ten_thousand_images(tmp_path, real_data) -> None:
    """Half wrong, which is the largest page; no framework imported; each opening counted."""
    test = load_test(real_data)
    held = test.select(np.arange(1000))
    run, _, _ = finished_run(tmp_path / "run", test=test, validation=held, skill=1.5)
    before = run.test_readings()
    code = (
        "import sys; from fashion_cnn.cli import main\n"
        f"code = main(['report', {str(run.path)!r}, '--data-dir', {str(real_data)!r}])\n"
        "heavy = {'torch', 'keras', 'tensorflow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\nsys.exit(code)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 20, "5 s are wanted; a busy machine is allowed more"
    page = run.path / "report.html"
    assert done.stdout.strip() == str(page)
    assert page.stat().st_size < 3_000_000
    assert run.test_readings() == before + 1


def test_a_sealed_run_is_shown_without_opening_the_test_set(
    tmp_path, real_data, capsys, monkeypatch
) -> None:
    from fashion_cnn.data.split import divide
    from opened import load_training

    parts = divide(load_training(real_data), validation=1 / 60, seed=4)
    run, _, _ = finished_run(
        tmp_path / "run", validation=parts.validation, sealed=True, validation_share=1 / 60, seed=4
    )
    monkeypatch.setattr("fashion_cnn.data.fashion_mnist.DataSet.test", None)
    guesser = Guesser(parts.validation)

    class Blind:
        def logits(self, images: np.ndarray) -> np.ndarray:
            return guesser.logits(parts.validation.images)[: len(images)]

    output = tmp_path / "page.html"
    made = report(run, real_data, output, classifier=Blind(), show=["heat-maps"])
    assert made == output
    assert ".px.heat::after { background-image: url(" in output.read_text()
    assert run.test_readings() == 0
    (run.path / "metrics.json").unlink()
    assert main(["report", str(run.path)]) == 2
    assert "was not evaluated yet" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_the_data_in_the_page_are_json(page_file) -> None:
    text = page_file[0].read_text()
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert len(data["names"]) == 10
    assert all(len(item) == 3 for items in data["cells"].values() for item in items)


def test_before_an_epoch_is_done_the_final_checkpoint_answers(tmp_path) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    assert run.answering == "best"
    run.record_history([])
    assert run.answering == "final"


def test_the_last_epoch_is_scored_once_where_it_is_the_best(tmp_path) -> None:
    run, metrics, test = finished_run(tmp_path / "run")
    assert run.history[-1].val_loss == min(record.val_loss for record in run.history)
    validation, opened = make_split(800, seed=2), []

    def open_classifier(checkpoint: str) -> Guesser:
        opened.append(checkpoint)
        return Guesser(test, validation)

    def evaluate(step: int) -> Metrics:
        trained = Trained("interrupted", step, step / 10, 4.5)
        return evaluate_run(run, open_classifier, around(validation), lambda: test, trained)

    assert evaluate(30).best == metrics.best
    assert opened == ["best"]
    evaluate(34)
    assert opened == ["best", "best", "final"]


def test_of_many_classes_those_with_most_mistakes_are_shown() -> None:
    """A mistake counts for the class that it is of, and for the one that is named for it."""
    counts = np.diag([10] * 42)
    for label in range(40):
        counts[label, (label + 1) % 40] = 1
    counts[40, 0] = 5  # never named for another
    rows = _matrix(tuple(map(tuple, counts.tolist())))
    assert list(rows) == [*range(39), 40]
    assert all(list(cells) == list(rows) for cells in rows.values())
    assert rows[40][0] == {"count": 5, "share": 5 / 15, "tint": 1.0}
    assert rows[40][40] == {"count": 10, "share": 10 / 15, "tint": 0.444}
    assert rows[1][2] == {"count": 1, "share": 1 / 11, "tint": 0.2}


def test_a_gallery_of_two_classes_holds_the_one_taken_for_the_other() -> None:
    """The surest mistakes first; of what is right, the least sure."""
    labels, predicted = np.array([0, 1, 1, 0, 2, 1]), np.array([1, 0, 0, 0, 2, 0])
    probabilities = np.full((6, 3), 0.05)
    probabilities[np.arange(6), predicted] = [0.7, 0.6, 0.9, 0.8, 0.5, 0.75]
    confusion = ((1, 1, 0), (3, 0, 0), (0, 0, 1))
    found = _galleries(Predictions(labels, predicted, probabilities), confusion)
    assert found["mistakes"] == [2, 5, 0, 1]
    assert found["hits"] == [4, 3]
    assert (found["0-1"], found["1-0"]) == ([0], [2, 5, 1])
