"""How photos are scored, and that each reading of the held-out half is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import photos
from conftest import REPOSITORY
from fashion_cnn.recipes.recipe import Recipe

NOTHING = 10
ANSWERS = {
    "dress": [3, 3, 3, 0],
    "longsleeve": [2, 4, 6, 0],
    "outwear": [4, 2, 6, 0],
    "pants": [1, 1, 1, 1],
    "shirt": [6, 2, 4, 0],
    "shoes": [5, 7, 9, 8],
    "t-shirt": [0, 6, 6, 6],
    "hat": [NOTHING] * 4,
    "shorts": [NOTHING] * 4,
    "skirt": [NOTHING, NOTHING, NOTHING, 3],
}
"""What is answered for the photos of each kind; of what looks like nothing no class stands out."""

SHARES = {
    "dress": 0.75,
    "longsleeve": 0.75,
    "outwear": 0.5,
    "pants": 1.0,
    "shirt": 0.25,
    "shoes": 0.75,
    "t-shirt": 0.25,
}


class ByShade:
    """Answers by how bright the garment is, so that a photo carries its answer."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        shades = [int(np.median(image[image > 0])) for image in images]
        classes = [round((255 - shade - 20) / 20) for shade in shades]
        return 9 * np.eye(NOTHING + 1, dtype=np.float32)[classes, :NOTHING].reshape(-1, NOTHING)


def draw(path: Path, answer: int) -> None:
    pixels = np.full((80, 80, 3), 255, np.uint8)
    pixels[20:60, 25:55] = 20 + 20 * answer
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_photos(folder: Path, half: str, answers: dict[str, list[int]]) -> None:
    for kind, wanted in answers.items():
        names = (folder / kind / f"{i}.png" for i in range(100))
        mine = [path for path in names if photos.half_of(path) == half]
        for path, answer in zip(mine, wanted, strict=False):
            draw(path, answer)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Photos whose tuning half is answered by `ANSWERS`; of the other half nothing is right."""
    make_photos(tmp_path / "photos", "tuning", ANSWERS)
    make_photos(tmp_path / "photos", "held_out", {kind: [8] * 6 for kind in ANSWERS})
    return tmp_path / "photos"


@pytest.fixture
def models() -> photos.Models:
    ordinary = np.full((20, 28, 28), 255 - 20 - 20 * 3, np.uint8)
    return photos.Models([ByShade()], ordinary)


def test_what_counts_as_right_for_each_kind_of_photo(models, folder) -> None:
    found = photos.real_photos(models, folder, "tuning")
    classes = found["classes"]
    assert {kind: row["accuracy"] for kind, row in classes.items()} == SHARES
    assert {row["n"] for row in classes.values()} == {4}
    assert found["macro_accuracy"] == pytest.approx(np.mean(list(SHARES.values())))


def test_hats_shorts_and_skirts_are_told_from_the_rest(models, folder) -> None:
    found = photos.real_photos(models, folder, "tuning")["none_of_them"]
    # Of 12 one looks like a dress: level with all 28 known ones, so half of its pairs count.
    assert found["auroc"] == pytest.approx(11.5 / 12)
    assert found["hat"] == 1
    assert found["skirt"] == pytest.approx(3.5 / 4)
    assert found["warned"] == pytest.approx(11 / 12)


def test_the_intervals_of_the_classes_and_of_their_mean(models, folder) -> None:
    found = photos.real_photos(models, folder, "tuning")
    rows = list(found["classes"].values())
    # Wilson 1927 by hand: of 4, z = 1.96.
    assert found["classes"]["dress"]["interval"] == pytest.approx((0.30064, 0.95441), abs=1e-5)
    assert found["classes"]["pants"]["interval"] == pytest.approx((0.51011, 1), abs=1e-5)
    ends = np.array([[row["accuracy"], *row["interval"]] for row in rows])
    reach = np.linalg.norm(ends[:, 1:] - ends[:, :1], axis=0) / 7
    wanted = (found["macro_accuracy"] - reach[0], found["macro_accuracy"] + reach[1])
    assert found["macro_interval"] == pytest.approx(wanted)


def test_the_macro_interval_has_the_width_that_theory_gives() -> None:
    """Of equal large samples it is the normal one: 1.96 root(p (1 - p) / (K n))."""
    share, reach = 0.7, 1.96 * (0.7 * 0.3 / 1000) ** 0.5
    low, high = photos.macro_interval([(share, share - reach, share + reach)] * 7)
    assert (low, high) == pytest.approx((share - reach / 7**0.5, share + reach / 7**0.5))


@pytest.mark.parametrize(("half", "other"), [("tuning", "held_out"), ("held_out", "tuning")])
def test_no_photo_of_the_other_half_is_opened(models, folder, monkeypatch, half, other) -> None:
    opened, read = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or read(path))
    found = photos.real_photos(models, folder, half)
    assert {photos.half_of(path) for path in opened} == {half}
    assert len(opened) == sum(photos.half_of(path) == half for path in folder.glob("*/*"))
    assert found["macro_accuracy"] == (0 if half == "held_out" else pytest.approx(4.25 / 7))


def test_what_cannot_be_read_is_black_and_does_not_stop(folder) -> None:
    (one, *_) = sorted((folder / "pants").iterdir())
    models = photos.Models([Unsure()], np.zeros((20, 28, 28), np.uint8))
    answers = models.read([b"no picture", one.read_bytes()])
    assert answers.readable.tolist() == [False, True]


class Unsure:
    """Scores every class alike."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), NOTHING), np.float32)


def test_a_reading_is_a_line_that_stays(tmp_path) -> None:
    file = tmp_path / "readings.jsonl"
    assert photos.record_reading(file, ["a" * 64]) == 0
    first = file.read_text()
    assert photos.record_reading(file, ["b" * 64, "c" * 64], Path("docs/photos.json")) == 1
    assert file.read_text().startswith(first)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["reading"] for line in lines] == [1, 2]
    assert [line["sha256"] for line in lines] == [["a" * 64], ["b" * 64, "c" * 64]]
    assert [line["record"] for line in lines] == [None, "photos.json"]
    for line in lines:
        assert line["date"].endswith("+00:00")
        assert line["commit"]


@pytest.fixture
def call(monkeypatch, tmp_path, folder, real_data, capsys):
    """Call the script on the made photos and a classifier that is quick."""
    monkeypatch.setattr(photos, "READINGS", tmp_path / "readings.jsonl")
    opened = ([ByShade()], ["d" * 64], Recipe(), None)
    monkeypatch.setattr(photos, "open_models", lambda path: opened)
    monkeypatch.setattr(photos, "find_data", lambda: real_data)
    bright = photos.Models([ByShade()], np.full((20, 28, 28), 175, np.uint8))
    monkeypatch.setattr(photos, "Models", lambda *_: bright)
    monkeypatch.setattr(photos, "imitated", lambda *_: {})
    monkeypatch.setattr(photos, "strange", lambda *_: {})

    def run(*words: str) -> dict:
        photos.main(["--images", "20", *words])
        return json.loads(capsys.readouterr().out)

    return run


def test_the_tuning_half_alone_is_scored_unless_asked(call, folder, tmp_path) -> None:
    record = call("--photos", str(folder))
    assert list(record["real_photos"]) == ["tuning"]
    assert "held_out_readings_before" not in record
    assert not (tmp_path / "readings.jsonl").exists()


def test_the_held_out_half_is_counted_and_the_record_says_so(call, folder, tmp_path) -> None:
    for before in (0, 1, 2):
        record = call("--photos", str(folder), "--held-out")
        assert list(record["real_photos"]) == ["held_out"]
        assert record["held_out_readings_before"] == before
    lines = (tmp_path / "readings.jsonl").read_text().splitlines()
    assert [json.loads(line)["sha256"] for line in lines] == [["d" * 64]] * 3
    assert record["sha256"] == ["d" * 64]


def test_a_reading_that_breaks_off_was_one(call, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        call("--photos", str(tmp_path / "none"), "--held-out")
    assert len((tmp_path / "readings.jsonl").read_text().splitlines()) == 1


def test_the_held_out_half_of_nothing_is_an_error(call, tmp_path) -> None:
    with pytest.raises(SystemExit) as error:
        call("--held-out")
    assert error.value.code == 2
    assert not (tmp_path / "readings.jsonl").exists()


def test_every_committed_reading_has_its_line() -> None:
    lines = [json.loads(line) for line in photos.READINGS.read_text().splitlines()]
    assert [line["reading"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["date"] for line in lines] == sorted(line["date"] for line in lines)
    results = REPOSITORY / "docs/results"
    records = {
        path.relative_to(results).as_posix(): json.loads(path.read_text())
        for path in [*results.glob("photos*.json"), *results.glob("trials/photos*.json")]
    }
    readings = {name for name, of in records.items() if "held_out" in of.get("real_photos", {})}
    newest = {line["record"]: line for line in lines if line["record"]}
    assert readings
    assert readings == set(newest)
    for name, line in newest.items():
        assert records[name].get("sha256") == line["sha256"], name
