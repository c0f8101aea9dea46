"""Pictures into answers, from wherever they come; bad ones are named and the rest is done."""

import base64
import csv
import dataclasses
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.framing import AS_PUBLISHED, Framing
from fashion_cnn.data.photo import read_photo
from fashion_cnn.data.pictures import find_pictures
from fashion_cnn.errors import ImageError, ModelError, UsageError
from fashion_cnn.evaluation.outliers import WARNING, outlier_score
from fashion_cnn.shipping import listing
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import (
    FOR_PHOTOS,
    MODELS,
    PRETRAINED,
    Prediction,
    Predictor,
    open_model,
    open_predictor,
    predict,
)
from opened import load_training


@pytest.fixture(scope="module")
def images(real_data) -> np.ndarray:
    return load_training(real_data).images[:6].copy()


@pytest.fixture
def pictures(tmp_path, images, monkeypatch) -> Path:
    """a.png, b.png, deep/a.png, deep/c.PNG and no picture; the working folder."""
    (tmp_path / "deep").mkdir()
    for name, image in zip(("a.png", "b.png", "deep/a.png", "deep/c.PNG"), images, strict=False):
        Image.fromarray(image).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(capsys, *words: str, code: int = 0) -> list[dict]:
    assert main(["predict", "--format", "json", *words]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("path", [PRETRAINED, FOR_PHOTOS])
def test_a_model_in_the_package_is_what_its_card_says(path: Path) -> None:
    assert {path.suffix for path in MODELS.iterdir()} == {".onnx", ".md"}
    assert sorted(MODELS.glob("*.onnx")) == [PRETRAINED, FOR_PHOTOS]
    model, card = OnnxClassifier.open(path), path.with_suffix(".md").read_text()
    assert path.stem == model.facts["recipe"]["name"]
    for figure in (model.sha256, f"{model.size:,} bytes", f"{model.facts['recipe']['seed']}"):
        assert figure in card
    assert f"{model.facts['measured']['accuracy']:.2%} of 10,000 test images" in card
    assert model.facts["measured"]["split"] == "test"
    assert model.size < 3e6


def test_it_answers_as_the_classifier_does(capsys, pictures, images) -> None:
    found = answers(capsys, "a.png", "--top-k", "10")[0]
    probabilities = open_model().probabilities(images[:1])[0]
    assert {row["label"]: row["probability"] for row in found["top"]} == pytest.approx(
        dict(zip(CLASS_NAMES, probabilities.tolist(), strict=True)), abs=1e-6
    )
    assert found["label"] == CLASS_NAMES[int(probabilities.argmax())] == found["top"][0]["label"]
    assert found["label"] in found["may_be"]
    assert sum(row["probability"] for row in found["top"]) == pytest.approx(1)


def stand_in(logits: np.ndarray, threshold: float) -> Predictor:
    """Of four classes, uncalibrated; warns of what is stranger than the threshold."""
    facts = {"outlier": {"threshold": threshold}, "recipe": {"name": "mine"}}
    facts["calibration"] = {
        "temperature": 1.0,
        "conformal": {"threshold": 0.9},
        "reject": {"error_rate": 0.02, "choices": [{"error_rate": 0.02, "threshold": 0.5}]},
    }
    names = ("a", "b", "c", "d")
    classifier = SimpleNamespace(
        logits=lambda images: logits, class_names=names, facts=facts, framing=AS_PUBLISHED
    )
    return Predictor(classifier)  # type: ignore[arg-type]


def test_classes_come_most_probable_first_and_a_set_too() -> None:
    """Whatever their place among the classes; of what is left the set holds as much as it must."""
    logits = np.array([[0.0, 2.0, 1.9, 1.0], [3.0, 0.0, 0.0, 0.0]], np.float32)
    images = np.zeros((2, 28, 28), np.uint8)
    first, second = stand_in(logits, 0.0).predict_images(images)
    probabilities = softmax(logits, axis=1)
    assert [name for name, _ in first.classes] == ["b", "c", "d", "a"]
    assert [p for _, p in first.classes] == pytest.approx(sorted(probabilities[0])[::-1])
    assert first.may_be == ("b", "c", "d")
    assert [name for name, _ in second.classes] == ["a", "b", "c", "d"]
    assert second.may_be == ("a", "b")
    top = first.to_dict(2)["top"]
    assert [row["label"] for row in top] == ["b", "c"]
    assert [row["probability"] for row in top] == pytest.approx([*probabilities[0, 1:3]])


def test_a_picture_at_the_threshold_is_not_warned_of() -> None:
    logits = np.array([[0.0, 2.0, 1.9, 1.0]], np.float32)
    for threshold, strange in (
        (outlier_score(logits)[0], False),
        (np.nextafter(outlier_score(logits)[0], -9), True),
    ):
        (found,) = stand_in(logits, float(threshold)).predict_images(
            np.zeros((1, 28, 28), np.uint8)
        )
        assert found.doubtful == strange
        assert found.warnings == (WARNING,) * strange
        assert found.outlier_score == outlier_score(logits)[0]


def test_files_folders_and_patterns(pictures) -> None:
    deep = ["deep/a.png", "deep/c.PNG"]
    assert list(find_pictures(["."])) == ["a.png", "b.png", *deep]
    assert list(find_pictures(["deep"])) == deep
    assert list(find_pictures(["*.png"])) == ["a.png", "b.png"]
    assert list(find_pictures(["**/*.png"])) == ["a.png", "b.png", "deep/a.png"]
    assert list(find_pictures(["b.png", "*.png", "none*", "-"])) == ["b.png", "a.png", "none*", "-"]
    (pictures / "[x].png").touch()
    assert list(find_pictures(["[x].png"])) == ["[x].png"], "a file is taken at its name"


def test_bad_files_are_named_and_the_rest_done(capsys, pictures) -> None:
    (pictures / "bad.png").write_bytes(b"<html>")
    (pictures / "empty.jpg").touch()
    (pictures / "none").mkdir()
    (pictures / "bomb.png").write_bytes(bomb())
    os.mkfifo(pictures / "pipe")
    bad = ["bad.png", "empty.jpg", "none", "gone.png", "bomb.png", "pipe", "/dev/zero"]
    assert main(["predict", "--format", "json", "a.png", *bad, "b.png"]) == 4
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [row["file"] for row in rows if "error" in row] == bad
    assert [row["file"] for row in rows if "label" in row] == ["a.png", "b.png"]
    for name in bad:
        assert f"fashion-cnn: {name}: " in err
    assert "7 of 9 files could not be used" in err
    assert "Traceback" not in err
    assert main(["predict", "gone.png"]) == 4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "address",
    [
        "https://shoes.example/a.png?size=1",
        "HTTP://shoes.example/a.png",
        "file:///tmp/a.png",
        "data:image/png;base64,iVBORw0KGgo",
    ],
)
def test_an_address_is_said_to_be_none_to_read(capsys, address: str) -> None:
    said = "an address, which is not fetched; save the picture to a file"
    assert main(["predict", address]) == 4
    assert f"fashion-cnn: {address}: {said}\n" in capsys.readouterr().err
    for given in (address, Path(address)):
        with pytest.raises(ImageError, match=said):
            predict(given)


def test_a_file_that_is_called_as_an_address_is_read(pictures) -> None:
    shutil.copy("a.png", "data:a.png")
    assert predict("data:a.png").label == predict("a.png").label


def test_of_a_long_name_a_message_has_the_ends(capsys) -> None:
    for name in ("data:image/png;base64," + 99_999 * "A" + "=", "x/" * 400 + "boot.png"):
        assert main(["predict", "--format", "json", name]) == 4
        out, err = capsys.readouterr()
        assert f"fashion-cnn: {name[:99]}…{name[-100:]}: " in err
        assert len(err) < 400
        assert json.loads(out)[0]["file"] == name
        with pytest.raises(ImageError) as raised:
            predict(name)
        assert len(str(raised.value)) < 300
    name = 196 * "y" + ".png"
    assert main(["predict", name]) == 4
    assert f"fashion-cnn: {name}: " in capsys.readouterr().err, "200 are no long name"


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels, in a few kilobytes."""
    data = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(data, "png")
    return data.getvalue()


def test_names_cannot_move_the_cursor(capsys, pictures) -> None:
    shutil.copy("a.png", "\x1b[2Jx\ny.png")
    shutil.copy("a.png", b"\xff.png".decode(errors="surrogateescape"))
    assert main(["predict", *sorted(set(os.listdir()) - {"notes.txt", "deep"})]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert any(line.startswith("\\x1b[2Jx\\ny.png") for line in lines)


def test_table_and_csv(capsys, pictures) -> None:
    assert main(["predict", ".", "--top-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line.count("%") == 2 for line in lines)
    (pictures / "bad.png").write_bytes(b"GIF89a")
    assert main(["predict", ".", "--format", "csv"]) == 4
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == [
        "a.png",
        "b.png",
        "bad.png",
        "deep/a.png",
        "deep/c.PNG",
    ]
    assert rows[2]["error"]
    assert rows[2]["label"] == ""
    assert float(rows[0][rows[0]["label"]]) == float(rows[0]["probability"])


def answer(accepted: bool, level: int = 0) -> Prediction:
    """Of three classes, of which it knows two apart from the third."""
    classes = (("Bag", 0.5), ("Coat", 0.375), ("Dress", 0.125))
    seen = np.full((28, 28), level, np.uint8)
    return Prediction(classes, ("Bag", "Coat"), accepted, -1.5, ("odd", "small"), seen, "fast")


def test_a_listing_by_hand() -> None:
    rows = [("x.png", answer(True)), ("y.png", answer(False)), ("z.png", "no picture")]
    assert listing.to_csv(rows, ("Coat", "Dress", "Bag")).splitlines() == [
        "file,label,probability,accepted,may_be,warnings,recipe,error,Coat,Dress,Bag",
        "x.png,Bag,0.500000,true,Bag; Coat,odd; small,fast,,0.375000,0.125000,0.500000",
        "y.png,Bag,0.500000,false,Bag; Coat,odd; small,fast,,0.375000,0.125000,0.500000",
        "z.png,,,,,,,no picture,,,",
    ]
    first, second, third = json.loads(listing.to_json(rows, 2))
    assert first == {
        "file": "x.png",
        "label": "Bag",
        "probability": 0.5,
        "accepted": True,
        "doubtful": False,
        "may_be": ["Bag", "Coat"],
        "outlier_score": -1.5,
        "warnings": ["odd", "small"],
        "recipe": "fast",
        "top": [{"label": "Bag", "probability": 0.5}, {"label": "Coat", "probability": 0.375}],
    }
    assert (second["file"], second["accepted"]) == ("y.png", False)
    assert third == {"file": "z.png", "error": "no picture"}
    clash = listing.to_csv([], ("file", "label", "Bag")).splitlines()[0]
    assert clash.endswith(",error,class file,class label,Bag"), "no column is called as another"


def test_programs_are_given_the_names_that_files_have() -> None:
    """macOS writes U+202F into the names of screenshots; a screen's own order is for people."""
    names = ["at 9.41\u202fAM.png", "\u3000a\u00a0b.png", "\u05d0.png", "a\tb\nc.png"]
    rows = [(name, "no picture") for name in names]
    assert [row["file"] for row in json.loads(listing.to_json(rows, 3))] == names
    found = csv.DictReader(io.StringIO(listing.to_csv(rows, ("Bag",)), newline=""))
    assert [row["file"] for row in found] == names
    odd = [("\x1b[2J.png", "no picture"), ("\udcff.png", "no picture")]
    first, second = json.loads(listing.to_json(odd, 3))
    assert (first["file"], second["file"]) == ("\x1b[2J.png", "\\udcff.png")
    rows = [*csv.DictReader(io.StringIO(listing.to_csv(odd, ("Bag",))))]
    assert [row["file"] for row in rows] == ["\\x1b[2J.png", "\\udcff.png"]


def test_a_notebook_shows_a_prediction() -> None:
    classes = (("<i>Bag", 0.5), ("Coat", 0.375), ("Dress", 0.12), ("Shirt", 0.005))
    shown = dataclasses.replace(answer(True, level=7), classes=classes)
    assert repr([shown]) == "[Prediction('<i>Bag', 0.5000)]"
    html = shown._repr_html_()
    data = html.split("data:image/png;base64,")[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), shown.seen)
    assert "&lt;i&gt;Bag" in html
    assert "<i>" not in html
    assert all(one in html for one in ("50.0%", "Coat", "37.5%", "Dress", "! odd", "! small"))
    assert "Shirt" not in html, "three are enough"


def test_pictures_of_one_name_are_numbered(tmp_path) -> None:
    names = ("a/x.png", "b/x.png", "x-2.png", "c/x.png", "-")
    rows = [(name, answer(True, level)) for level, name in enumerate(names)]
    assert listing.save_seen([*rows, ("d.png", "no picture")], tmp_path / "seen") == 5
    levels = {
        path.stem: np.asarray(Image.open(path))[0, 0] for path in (tmp_path / "seen").iterdir()
    }
    assert levels == {"x": 0, "x-2": 1, "x-2-2": 2, "x-3": 3, "stdin": 4}


def test_what_the_model_saw_is_never_written_through_a_link(tmp_path, images) -> None:
    seen, mine = tmp_path / "seen", tmp_path / "mine.png"
    seen.mkdir()
    Image.fromarray(images[0]).save(mine)
    before = mine.read_bytes()
    for there in (lambda path: path.symlink_to(mine), os.mkfifo):
        there(seen / "x.png")
        with pytest.raises(UsageError, match=r"seen/x.png is there already"):
            listing.save_seen([("x.png", answer(True))], seen)
        (seen / "x.png").unlink()
    (seen / "x\ny.png").mkdir()
    with pytest.raises(UsageError, match=r"seen/x\\ny.png is there already"):
        listing.save_seen([("x\ny.png", answer(True))], seen)
    os.link(mine, seen / "x.png")
    assert listing.save_seen([("x.png", answer(True))], seen) == 1
    assert mine.read_bytes() == before


def test_what_the_model_saw_is_whole_after_a_full_disk(tmp_path, monkeypatch) -> None:
    rows = [("x.png", answer(True))]
    listing.save_seen(rows, tmp_path)
    before = (tmp_path / "x.png").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            listing.save_seen(rows, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.png": before}
    assert listing.save_seen(rows, tmp_path) == 1


def test_uneven_ground_has_a_model_of_its_own(capsys, pictures, images) -> None:
    large = np.kron(255 - images[0], np.ones((6, 6), np.uint8))
    ground = np.random.default_rng(0).integers(90, 255, (24, 24, 3), dtype=np.uint8)
    coloured = np.kron(ground, np.ones((10, 10, 1), np.uint8))
    coloured[36:204, 36:204][large < 250] = large[large < 250][:, None]
    Image.fromarray(large).save("plain.png")
    Image.fromarray(coloured).save("carpet.png")
    wanted = ["balanced", "balanced", "photo"]
    found = answers(capsys, "a.png", "plain.png", "carpet.png", "--top-k", "10")
    assert [one["recipe"] for one in found] == wanted
    answer = open_predictor().predict(Path("carpet.png").read_bytes())
    probabilities = OnnxClassifier.open(FOR_PHOTOS).probabilities(answer.seen[np.newaxis])[0]
    assert dict(answer.classes) == pytest.approx(
        dict(zip(CLASS_NAMES, probabilities.tolist(), strict=True)), abs=1e-6
    )
    mine = answers(capsys, "a.png", "carpet.png", "--model", str(PRETRAINED))
    assert [one["recipe"] for one in mine] == ["balanced"] * 2, "a chosen model answers for all"


def test_a_package_that_lacks_a_model_says_so_first(
    capsys, pictures, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("fashion_cnn.shipping.predict.FOR_PHOTOS", tmp_path / "photo.onnx")
    assert main(["predict", "a.png"]) == ModelError.exit_code
    assert "photo.onnx is missing; install the package again" in capsys.readouterr().err
    (tmp_path / "photo.onnx").write_bytes(b"torn")
    assert answers(capsys, "a.png")[0]["label"] == "Ankle boot"
    with pytest.raises(ModelError, match="is no ONNX model"):
        _ = open_predictor().for_photos


def test_a_large_file_is_told_its_own_size(capsys, pictures, monkeypatch) -> None:
    Path("large.png").touch()
    os.truncate("large.png", 20_200_000)
    assert main(["predict", "large.png"]) == 4
    assert "large.png: 19.3 MB; at most 8 MB are read" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(bytes(9 * 2**20))))
    assert main(["predict", "-"]) == 4
    assert "-: more than 8 MB; at most 8 MB are read" in capsys.readouterr().err


def test_what_the_model_saw_is_kept(capsys, pictures, images) -> None:
    assert main(["predict", ".", "--save-seen", "seen/new"]) == 0
    saved = {path.name: np.asarray(Image.open(path)) for path in Path("seen/new").iterdir()}
    assert set(saved) == {"a.png", "b.png", "a-2.png", "c.png"}
    np.testing.assert_array_equal(saved["a.png"], images[0])
    np.testing.assert_array_equal(saved["a-2.png"], images[2])


def test_unsure_answers_can_be_withheld(capsys, pictures, images) -> None:
    blends = (images[:, None] // 2 + images[None] // 2).reshape(-1, 28, 28)
    least = open_model().probabilities(blends).max(1).argmin()
    Image.fromarray(blends[least]).save("grey.png")
    sure, unsure = answers(capsys, "a.png", "grey.png", "--reject", "0.05")
    predictor = Predictor(open_model(), 0.05)
    threshold = predictor.calibration.reject_threshold
    assert threshold is not None
    assert unsure["probability"] < threshold <= sure["probability"]
    assert (sure["accepted"], unsure["accepted"]) == (True, False)
    assert all(row["accepted"] for row in answers(capsys, "a.png", "grey.png")), "only when asked"
    assert main(["predict", "grey.png", "--reject", "0.05"]) == 0
    assert "not sure enough to answer" in capsys.readouterr().out
    assert main(["predict", "grey.png", "--reject", "0.07"]) == 2
    assert "choose one of 0.005, 0.01, 0.02, 0.03, 0.05" in capsys.readouterr().err


def test_strange_pictures_are_warned_about(capsys, pictures, images) -> None:
    random = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    model = open_model()
    strangest = random[outlier_score(model.logits(random)).argmax()]
    Image.fromarray(strangest).save("noise.png")
    shoe, noise = answers(capsys, "a.png", "noise.png")
    threshold = model.facts["outlier"]["threshold"]
    assert shoe["outlier_score"] <= threshold < noise["outlier_score"]
    assert shoe["warnings"] == []
    assert (shoe["doubtful"], noise["doubtful"]) == (False, True)
    assert "looks like nothing in the training set" in noise["warnings"][0]
    assert main(["predict", "noise.png"]) == 0
    assert "! this looks like nothing" in capsys.readouterr().out


def test_what_was_noted_of_a_picture_is_among_its_warnings(images) -> None:
    """Beside what the model itself warns about."""
    data = io.BytesIO()
    Image.fromarray(255 - images[0]).save(data, "PNG")
    noted = read_photo(data.getvalue()).notes
    assert len(noted) == 1
    predictor = open_predictor()
    for threshold, warned in ((np.inf, ()), (-np.inf, (WARNING,))):
        predictor.classifier.facts["outlier"]["threshold"] = threshold
        assert predictor.predict(data.getvalue()).warnings == (*warned, *noted)


def test_several_files_are_answered_in_their_order(capsys, pictures, images) -> None:
    files = [Path(name).read_bytes() for name in ("a.png", "b.png", "deep/a.png", "deep/c.PNG")]
    predictor = open_predictor()
    one, two, bad, three, four = predictor.predict_all([*files[:2], b"GIF89a", *files[2:]])
    assert isinstance(bad, ImageError)
    for answer, image in zip((one, two, three, four), images, strict=False):
        assert isinstance(answer, Prediction)
        np.testing.assert_array_equal(answer.seen, image)
        (alone,) = predictor.predict_images(image[np.newaxis])
        assert dict(answer.classes) == pytest.approx(dict(alone.classes))


def test_other_models(capsys, pictures, tmp_path) -> None:
    shutil.copy(PRETRAINED, "mine.onnx")
    assert answers(capsys, "a.png", "--model", "mine.onnx") == answers(capsys, "a.png")
    for wrong, code in (("notes.txt", 3), ("gone.onnx", 3), ("deep", 2)):
        assert main(["predict", "a.png", "--model", wrong]) == code
        assert wrong in capsys.readouterr().err
    with pytest.raises(ModelError, match="is no ONNX model"):
        open_model(Path("notes.txt"))


def test_standard_input_without_a_framework(pictures) -> None:
    script = (
        "import sys; from fashion_cnn.cli import main; code = main(['predict', '-']);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    with open("a.png", "rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=file, capture_output=True, text=True, check=True
        )
    assert done.stdout.startswith("-  Ankle boot")
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert not loaded & {"torch", "keras", "scipy", "sklearn", "matplotlib", "onnx", "rich"}
    assert "onnxruntime" in loaded


def test_nobody_is_told(pictures, tmp_path: Path) -> None:
    """ONNX Runtime would keep an identifier, and what it has not sent yet, at home."""
    home = tmp_path / "home"
    home.mkdir()
    silencers = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI")
    environment = {k: v for k, v in os.environ.items() if k not in silencers}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    command = [sys.executable, "-m", "fashion_cnn", "predict", "a.png"]
    subprocess.run(command, env=environment, check=True)
    assert not list(home.iterdir())


@pytest.mark.parametrize(("asked", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_small_products_wake_no_other_thread(pictures, asked: dict[str, str], threads: int) -> None:
    script = (
        "import sys, threadpoolctl\n"
        "from fashion_cnn.cli import main\n"
        "assert main(['predict', sys.argv[1]]) == 0\n"
        "print({one['num_threads'] for one in threadpoolctl.threadpool_info()"
        " if one['internal_api'] == 'openblas'})"
    )
    clean = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script, str(next(pictures.glob("*.png")))],
        env=clean | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == str({threads})


def test_what_gives_no_pixels_is_told(tmp_path) -> None:
    class Tensor:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def __array__(self, *arguments, **words):
            raise self.error

    for error in (RuntimeError("requires grad"), TypeError("BFloat16"), ValueError("ragged")):
        with pytest.raises(UsageError, match=f"a picture gives no pixels: {error}"):
            predict(Tensor(error))
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)).save(
        whole, "PNG"
    )
    with Image.open(io.BytesIO(whole.getvalue()[:-2000])) as cut:
        (answer,) = predict([cut])
        assert isinstance(answer, ImageError)
        assert "a picture cannot be read" in str(answer)
    for reject in ("0.01", [0.01]):
        with pytest.raises(UsageError, match="it must be a share"):
            predict(np.zeros((28, 28), np.uint8), reject=reject)


def test_a_picture_in_memory_is_answered_as_its_file(tmp_path, images) -> None:
    """Turned by its EXIF, in print's four colours, or larger than a file may be."""
    upright = Image.fromarray(images[0]).convert("RGB").resize((280, 280))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, picture, how in (
        ("turned", turned, {"exif": exif}),
        ("print", upright.convert("CMYK"), {}),
    ):
        picture.save(tmp_path / f"{name}.jpg", quality=95, **how)
        wanted = predict(tmp_path / f"{name}.jpg")
        with Image.open(tmp_path / f"{name}.jpg") as opened:
            found = predict(opened)
        assert (found.label, found.label) == (wanted.label, predict(upright).label)
        assert found.probability == pytest.approx(wanted.probability, abs=0.05)
    upright.save(tmp_path / "broken.jpg", exif=b"Exif\0\0XX\0\0\0\0\0\0")
    with Image.open(tmp_path / "broken.jpg") as opened:
        assert predict(opened).label == predict(upright).label, "its EXIF is damaged"
    noise = np.random.default_rng(0).integers(0, 256, (1800, 1800, 3), dtype=np.uint8)
    assert predict(noise).doubtful, "9.7 MB, which no file may have"


def test_what_the_model_saw_replaces_no_picture(capsys, images, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(images[0]).resize((300, 400)).save("bag.png")
    Image.fromarray(images[1]).save("a.png")
    before = Path("bag.png").read_bytes()
    assert main(["predict", "a.png", "bag.png", "--save-seen", "."]) == 2
    assert "a.png is there already" in capsys.readouterr().err, "of the right size, but asked about"
    assert main(["predict", "bag.png", "--save-seen", "."]) == 2
    assert "bag.png is there already" in capsys.readouterr().err
    assert Path("bag.png").read_bytes() == before
    for _ in range(2):  # its own files it writes anew
        assert main(["predict", "bag.png", "--save-seen", "seen"]) == 0
    with Image.open("seen/bag.png") as seen:
        assert seen.size == (28, 28)


def test_a_grey_frame_may_have_an_axis_of_its_one_channel(images) -> None:
    frame = np.pad(images[0].repeat(9, 0).repeat(9, 1), ((50, 60), (70, 40)))
    for grey in (frame, 255 - frame):
        assert predict(grey[..., None]).to_dict() == predict(grey).to_dict()


@pytest.mark.parametrize(
    "empty",
    [
        np.zeros((0, 40, 3), np.uint8),
        np.zeros((40, 0), np.uint8),
        np.zeros((40, 0, 3)),
        Image.new("RGB", (0, 9)),
    ],
)
def test_an_empty_crop_costs_the_others_no_answer(images, empty) -> None:
    first, fault, last = predict([images[0], empty, images[1]])
    assert [first.label, last.label] == [one.label for one in predict(images[:2])]
    assert isinstance(fault, ImageError)
    assert "has no pixels" in str(fault)
    with pytest.raises(ImageError, match="has no pixels"):
        predict(empty)
    assert predict(images[:0]) == []


def test_pixels_that_lie_otherwise_are_noted_as_their_file_is(tmp_path, images) -> None:
    dark_on_white = 255 - images[0]
    Image.fromarray(dark_on_white).save(tmp_path / "a.png")
    (note,) = {*predict(tmp_path / "a.png").warnings} - {WARNING}
    assert note == "28x28 and grey, so taken as it is; but the data set is bright on black"
    assert note in predict(dark_on_white).warnings
    first, second, third = predict(np.stack([images[0], dark_on_white, images[0]]))
    assert note in second.warnings
    assert note not in (*first.warnings, *third.warnings)
    predictor = stand_in(np.zeros((1, 4), np.float32), 9.0)
    for framing, noted in (("white,28,box", False), ("none", False), ("black,20,mass", True)):
        predictor.classifier.framing = Framing.parse(framing)
        (answer,) = predictor.predict_images(dark_on_white[None])
        assert bool(answer.warnings) == noted, framing


def test_a_large_scan_of_16_bits_is_answered_as_its_file(tmp_path, images) -> None:
    scan = np.kron(images[0].astype(np.uint16) * 257, np.ones((150, 150), np.uint16))
    picture = Image.fromarray(scan)
    picture.save(tmp_path / "scan.png")
    from_file, in_memory = predict(tmp_path / "scan.png"), predict(picture)
    assert from_file.label == in_memory.label
    assert np.abs(from_file.seen.astype(int) - in_memory.seen).mean() < 3
