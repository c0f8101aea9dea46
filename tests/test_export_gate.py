"""What may leave as an exported model, by hand: a small data set, a small network, no training."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from exported import export_each_network_once
from fashion_cnn import __version__
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.adoption import adopt
from fashion_cnn.data.split import Split, divide, stratified_sample
from fashion_cnn.errors import DataError, ExportError, ModelError, UsageError
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.evaluate import evaluate_run
from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.evaluation.outliers import SCORE, outlier_score, outlier_threshold
from fashion_cnn.frameworks import Hardware, open_framework
from fashion_cnn.on_torch import imitate
from fashion_cnn.on_torch.classifier import TorchClassifier, open_classifier, weight_arrays
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord, Trained
from fashion_cnn.shipping import export as module
from fashion_cnn.shipping import quantise
from fashion_cnn.shipping.export import (
    answering_checkpoint,
    check_parity,
    export,
    export_text,
    look_into,
)
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import open_model as open_exported
from finished import finished_run
from opened import load_test, load_test_images, load_training
from shapes import write_idx

# -- the gate itself -------------------------------------------------------------------------------

WANTED = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5]], np.float32)
CALIBRATION = Calibration(2.0, 1.0, None)
PROBABILITIES = np.exp(WANTED / 2) / np.exp(WANTED / 2).sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("logits_off", "probability_off", "passed"),
    [
        (0.0, 0.0, True),
        (9e-5, 0.0, True),
        (-9e-5, 0.0, True),
        (1.2e-4, 0.0, False),
        (-1.2e-4, 0.0, False),
        (0.0, 9e-5, True),
        (0.0, 1.2e-4, False),
        (0.0, -1.2e-4, False),
        (np.nan, 0.0, False),
    ],
)
def test_a_difference_above_a_ten_thousandth_is_no_rounding(
    logits_off: float, probability_off: float, passed: bool
) -> None:
    logits, probabilities = WANTED.astype(np.float64), PROBABILITIES.copy()
    logits[1, 2] += logits_off
    probabilities[0, 1] += probability_off
    found = module._compare(logits, probabilities, WANTED, CALIBRATION)
    assert found == {
        "images": 2,
        "compared": "logits",
        "tolerance": 1e-4,
        "other_classes": int(np.isnan(logits_off)),
        "largest_difference": pytest.approx(abs(logits_off), abs=1e-12, nan_ok=True),
        "largest_difference_of_probabilities": pytest.approx(abs(probability_off), abs=1e-7),
        "passed": passed,
    }


def test_a_difference_of_just_the_tolerance_passes(monkeypatch) -> None:
    """In numbers that are exact in binary: two classes alike, half and half."""
    monkeypatch.setattr(module, "TOLERANCE", 2.0**-10)
    alike = np.zeros((2, 2))
    for logit_off, probability_off, passed in (
        (2.0**-10, 2.0**-10, True),
        (2.0**-9, 0.0, False),
        (0.0, 2.0**-9, False),
    ):
        logits, halves = alike.copy(), np.exp(CALIBRATION.log_probabilities(alike))
        logits[0, 0] += logit_off
        halves[0, 0] += probability_off
        assert halves[0, 0] - halves[1, 0] == probability_off
        found = module._compare(logits, halves, alike, CALIBRATION)
        assert (found["other_classes"], found["passed"]) == (0, passed)


def test_another_class_is_never_let_through() -> None:
    """Even where the logits are all but alike."""
    near = np.array([[1.0, 1.00001, 0.0], [1.0, 0.0, 1.00001]])
    other = np.array([[1.00001, 1.0, 0.0], [1.0, 0.0, 1.00001]])
    softened = np.exp(CALIBRATION.log_probabilities(near))
    found = module._compare(other, softened, near, CALIBRATION)
    assert (found["other_classes"], found["passed"]) == (1, False)
    assert found["largest_difference"] < 1e-4


def test_of_an_ensemble_the_probabilities_are_compared() -> None:
    """The logarithm of one near zero is moved far by rounding; the class must be the same."""
    rounded = WANTED - np.float32(20) * (WANTED == 0)
    shares = np.exp(CALIBRATION.log_probabilities(rounded))
    off = rounded + np.float32(1e-3) * (WANTED == 0)
    assert not module._compare(off, shares, rounded, CALIBRATION)["passed"]
    found = module._compare(off, shares, rounded, CALIBRATION, of_probabilities=True)
    assert found["passed"]
    assert found["compared"] == "mean probabilities"
    other = module._compare(off[:, ::-1], shares, rounded, CALIBRATION, of_probabilities=True)
    assert not other["passed"]
    assert other["other_classes"] == 1


def test_a_report_that_did_not_pass_is_an_error_that_says_why() -> None:
    parity = {"images": 1000, "compared": "logits", "other_classes": 3}
    parity |= {"largest_difference": 0.0125, "passed": False}
    with pytest.raises(ExportError) as caught:
        check_parity({"parity": parity})
    assert str(caught.value) == (
        "the exported graph is not the trained model: 3 of 1000 images have another class, "
        "logits differ by up to 0.013 (0.0001 is allowed); nothing was exported"
    )
    check_parity({"parity": {**parity, "passed": True}})


# -- a whole export --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = write_idx(tmp_path_factory.mktemp("data") / "three", 3, 60, test=20)
    adopt(folder)
    return folder


@pytest.fixture(autouse=True)
def each_network_is_exported_once(monkeypatch) -> None:
    export_each_network_once(monkeypatch)


def finish(folder: Path, data: Path, *, sealed: bool = False, **fields) -> Run:
    """A run folder as training and evaluation leave it, of random weights."""
    contents = fashion_mnist.DataSet.open(data).contents
    recipe = Recipe(width=2, validation=0.2, epochs=1, batch_size=8, **fields)
    run = Run(folder)
    run.path.mkdir(parents=True)
    run.describe(
        {
            "framework": "pytorch",
            "device": "cpu",
            "threads": 1,
            "deterministic": False,
            "data_sha256": dict(contents.sha256),
        },
        {
            "seed": recipe.seed,
            "test_sealed": sealed,
            "fingerprint": "0" * 16,
            "data": contents.name,
            "class_names": list(contents.class_names),
        },
    )
    torch.manual_seed(recipe.seed)
    arrays = weight_arrays(build_model(recipe, 3))
    random = np.random.default_rng(0)
    for name, array in arrays.items():
        if name == "output.weight" or not array.any():  # what begins with zeros tells no class
            arrays[name] = random.normal(size=array.shape).astype(np.float32)
    history = [EpochRecord(1, 6, 1e-3, 1.0, 0.5, 1.0, 0.5, 1.0, 100.0)]
    run.checkpoints.save(arrays, {}, {"step": 6, "run": recipe.fingerprint("0" * 16)}, history)
    run.checkpoints.finish(6, history)
    run.record_history(history)
    run.record_recipe(recipe)
    return evaluated(run, data, sealed=sealed)


def evaluated(run: Run, data: Path, *, sealed: bool = False, step: int = 6) -> Run:
    """Measure a run as it stands."""
    parts = divide(load_training(data), validation=0.2, seed=run.recipe.seed)
    run.results.write_metrics(
        evaluate_run(
            run,
            lambda checkpoint: open_classifier(run, checkpoint),
            parts,
            None if sealed else lambda: load_test(data),
            Trained("finished", step, step / 6, 1.0),
        )
    )
    return run


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Run:
    return finish(tmp_path / "run", data)


def test_an_export_says_what_it_is(run: Run, data: Path) -> None:
    readings = run.test_readings()
    report = export(run, data)
    assert run.test_readings() == readings
    content = (run.path / "model.onnx").read_bytes()
    weights = (run.path / "checkpoints/step-00000006/model.safetensors").read_bytes()
    assert json.loads((run.path / "export.json").read_text()) == report
    calibration, metrics = run.results.calibration, run.results.metrics
    assert calibration
    parts = divide(load_training(data), validation=0.2, seed=0)
    reference = open_classifier(run)
    shown = metrics.shown
    measured = {"n": shown.n, "accuracy": shown.accuracy, "interval": list(shown.interval)}
    outlier = {
        "score": SCORE,
        "not_warned": 0.95,
        "threshold": outlier_threshold(outlier_score(reference.logits(parts.validation.images))),
    }
    choices = [
        {"error_rate": row["error_rate"], "threshold": row["threshold"]}
        for row in calibration["reject"]["choices"]
    ]
    parity = report.pop("parity")
    assert report == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "opset": report["opset"],
        "step": 6,
        "facts": {
            "data": "three",
            "framing": "black,28,box",
            "class_names": ["0", "1", "2"],
            "calibration": {
                "label_smoothing": 0.0,
                "temperature": calibration["temperature"],
                "conformal": {
                    "coverage": 0.95,
                    "threshold": calibration["conformal"]["threshold"],
                },
                "reject": {"error_rate": 0.02, "choices": choices},
            },
            "recipe": run.recipe.to_dict(),
            "measured": {"split": "test", **measured},
            "data_sha256": run.environment["data_sha256"],
            "made_by": {
                "fashion_cnn": __version__,
                "framework": "pytorch",
                "step": 6,
                "sha256": hashlib.sha256(weights).hexdigest(),
            },
            "outlier": outlier,
        },
    }
    assert (parity["images"], parity["other_classes"], parity["passed"]) == (20, 0, True)
    exported, images = OnnxClassifier(content, threads=1), load_test_images(data)
    difference = np.abs(exported.logits(images) - reference.logits(images)).max()
    assert parity["largest_difference"] == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize(("answer", "step"), [("best", 6), ("final", 12)])
def test_the_checkpoint_that_answers_is_exported(
    tmp_path: Path, data: Path, answer: str, step: int
) -> None:
    """Of two whose answers differ; the later one has the higher loss."""
    torch.manual_seed(0)
    run = finish(tmp_path / "run", data, answer=answer)
    first = run.checkpoints.load("best")
    later = {**first.model, "output.weight": first.model["output.weight"][[1, 2, 0]]}
    history = [*run.history, EpochRecord(2, 12, 1e-3, 1.0, 0.5, 1.5, 0.5, 1.0, 100.0)]
    run.checkpoints.save(later, {}, {"step": 12, "run": first.state["run"]}, history)
    run.checkpoints.finish(12, history)
    run.record_history(history)
    report = export(evaluated(run, data, step=12), data)
    test, exported = load_test(data), OnnxClassifier((run.path / "model.onnx").read_bytes())
    logits = {name: open_classifier(run, name).logits(test.images) for name in ("best", "final")}
    right = {name: (found.argmax(1) == test.labels).mean() for name, found in logits.items()}
    assert right["best"] != right["final"], "they must be told apart"
    np.testing.assert_allclose(exported.logits(test.images), logits[answer], atol=1e-4)
    facts = report["facts"]
    assert facts["measured"]["accuracy"] == right[answer]
    assert facts["measured"]["interval"] == list(wilson_interval(round(20 * right[answer]), 20))
    assert report["step"] == facts["made_by"]["step"] == step
    assert facts["made_by"]["sha256"] == run.checkpoints.load(answer).sha256


def test_class_names_keep_their_order(run: Run) -> None:
    run.describe(run.environment, {**run.split, "class_names": ["zebra", "ant", "mole"]})
    calibration = run.results.calibration
    assert calibration
    facts = module.facts_of(run, "best", calibration)
    assert facts["class_names"] == ["zebra", "ant", "mole"]


def test_a_path_that_is_no_utf8_does_not_keep_a_run_from_being_exported(
    tmp_path: Path, data: Path
) -> None:
    run = finish(tmp_path / "run", data, teacher="caf\udce9.onnx", teacher_sha256="0" * 64)
    facts = export(run, data)["facts"]
    assert facts["recipe"]["teacher"] == r"caf\udce9.onnx"


def test_an_export_does_not_say_in_whose_folders_things_were(tmp_path: Path, data: Path) -> None:
    """Others get the file, and a server tells everybody what is in it."""
    home = str(tmp_path / "at-home")
    fields = {"teacher": f"{home}/run/model.onnx", "init_from": f"{home}/before"}
    run = finish(tmp_path / "run", data, teacher_sha256="0" * 64, **fields)
    found = export(run, data)["facts"]["recipe"]
    assert (found["teacher"], found["init_from"]) == ("model.onnx", "before")
    for name in ("model.onnx", "export.json"):
        assert str(tmp_path).encode() not in (run.path / name).read_bytes(), name


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", "/home/me/nets/mine.py:Net", "mine.py:Net"),
        ("model", "timm:resnet18", "timm:resnet18"),
        ("init_from", "/home/me/runs/fast/", "fast"),
        ("init_from", "..", ".."),
        ("init_from", ".", "."),
        ("init_from", "", ""),
        ("teacher", "pretrained", "pretrained"),
    ],
)
def test_of_a_path_its_name_is_exported(field: str, value: str, said: str) -> None:
    recipe = Recipe(**{field: value})
    assert module._sendable(recipe) == {**recipe.to_dict(), field: said}
    assert Recipe.from_dict(module._sendable(recipe)) == recipe.replace(**{field: said})


def test_what_is_looked_into_answers_as_the_run_does(run: Run, data: Path) -> None:
    image = load_test_images(data)[0]
    with open_framework(Hardware("cpu")) as framework:
        seen = look_into(run, framework)(image)
    calibration = run.results.calibration
    assert calibration
    logits = open_classifier(run).logits(image[np.newaxis])
    (wanted,) = np.exp(Calibration.from_dict(calibration).log_probabilities(logits)).tolist()
    found = {row["label"]: row["probability"] for row in seen["classes"]}
    assert found == pytest.approx(dict(zip("012", wanted, strict=True)), abs=1e-5)


def test_a_calibration_from_before_smoothing_was_undone_has_none(run: Run) -> None:
    calibration = dict(run.results.calibration or {})
    del calibration["label_smoothing"]
    facts = module.facts_of(run, "best", calibration)
    assert facts["calibration"]["label_smoothing"] == 0.0


def test_an_export_elsewhere_is_the_same(run: Run, data: Path, tmp_path: Path) -> None:
    report = export(run, data, output=tmp_path / "shoes.onnx")
    assert (tmp_path / "shoes.onnx").exists()
    assert json.loads((tmp_path / "shoes.json").read_text()) == report
    assert not (run.path / "model.onnx").exists()


def test_the_run_says_that_its_validation_images_were_seen_before(run: Run, data: Path) -> None:
    run.describe(run.environment, {**run.split, "validation_seen_before": True})
    made_by = export(run, data)["facts"]["made_by"]
    assert made_by["validation_seen_before"] is True


@pytest.mark.parametrize("int8", [False, True])
def test_a_model_that_answers_otherwise_takes_the_one_before_away(
    run: Run, data: Path, monkeypatch, int8: bool
) -> None:
    export(run, data, int8=True)
    answer = TorchClassifier.logits

    def altered(self: TorchClassifier, images: np.ndarray) -> np.ndarray:
        logits = answer(self, images)
        logits[len(images) // 2, 1] += 3e-4
        return logits

    monkeypatch.setattr(TorchClassifier, "logits", altered)
    with pytest.raises(ExportError, match="^the exported graph is not the trained model: "):
        export(run, data, int8=int8)
    assert not (run.path / "model.onnx").exists()
    assert not (run.path / "model-int8.onnx").exists()
    report = json.loads((run.path / "export.json").read_text())
    assert report["parity"]["passed"] is False
    assert report["parity"]["largest_difference"] == pytest.approx(3e-4, rel=0.1)
    assert "int8" not in report


@pytest.mark.parametrize(("sealed", "most"), [(False, 1000), (False, 10), (True, 1000)])
def test_the_int8_variant_is_of_training_images_and_measured_on_what_was_read(
    tmp_path: Path, data: Path, monkeypatch, sealed: bool, most: int
) -> None:
    run = finish(tmp_path / "run", data, sealed=sealed, seed=2)
    monkeypatch.setattr(module, "_CALIBRATION_IMAGES", most)
    given = {}

    def small(content, images, measured_on, part):
        given.update(content=content, images=images, measured_on=measured_on, part=part)
        return b"small", {"bytes": 5}

    monkeypatch.setattr(quantise, "quantise", small)
    readings = run.test_readings()
    report = export(run, data, int8=True)
    assert report["int8"] == {"bytes": 5}
    assert (run.path / "model-int8.onnx").read_bytes() == b"small"
    assert given["content"] == (run.path / "model.onnx").read_bytes()
    parts = divide(load_training(data), validation=0.2, seed=2)
    chosen = stratified_sample(parts.training.labels, min(most, 48), 2, "int8")
    np.testing.assert_array_equal(given["images"], parts.training.images[chosen])
    if sealed:
        assert run.test_readings() == readings == 0
        assert given["part"] == "validation"
        np.testing.assert_array_equal(given["measured_on"].labels, parts.validation.labels)
    else:
        assert run.test_readings() == readings + 1
        assert run.events()[-1]["purpose"] == "accuracy of the int8 variant"
        assert given["part"] == "test"
        np.testing.assert_array_equal(given["measured_on"].labels, load_test(data).labels)


def test_the_int8_variant_is_measured_beside_the_float_model(monkeypatch) -> None:
    """Of four images the float model has three right, int8 two; they agree on one."""
    labels = np.array([0, 1, 2, 0])
    answers = {b"float": [0, 1, 2, 1], b"int8": [0, 2, 1, 0]}

    class Answering:
        facts: ClassVar = {"measured": "of the float model", "data": "some"}

        def __init__(self, content: bytes) -> None:
            self._answers = answers[content]

        def logits(self, images: np.ndarray) -> np.ndarray:
            assert images is measured_on.images
            return 9 * np.eye(3, dtype=np.float32)[self._answers]

    written = []
    monkeypatch.setattr(quantise, "OnnxClassifier", Answering)
    monkeypatch.setattr(quantise, "_quantised", lambda content, images: (content, images))
    monkeypatch.setattr(
        quantise, "_serialise", lambda model, facts: written.append(dict(facts)) or b"int8"
    )
    measured_on = Split(np.zeros((4, 28, 28), np.uint8), labels, ("a", "b", "c"))
    images = np.zeros((7, 28, 28), np.uint8)
    content, report = quantise.quantise(b"float", images, measured_on, "test")
    assert content == b"int8"
    assert report == {
        "bytes": 4,
        "sha256": hashlib.sha256(b"int8").hexdigest(),
        "ranges_from": "7 images of the training part",
        "measured": {
            "split": "test",
            "n": 4,
            "accuracy": 0.5,
            "interval": wilson_interval(2, 4),
            "float_accuracy": 0.75,
            "same_class": 0.25,
        },
    }
    assert written[-1] == {"measured": report["measured"], "data": "some"}


def test_a_run_for_photos_is_calibrated_on_images_like_photos(
    tmp_path: Path, data: Path, monkeypatch
) -> None:
    """Of Fashion-MNIST alone: what is cut out of photos already needs no imitation."""
    run = finish(tmp_path / "run", data, model="strided_cnn", photo=0.5, label_smoothing=0.1)
    calibration = run.results.calibration
    assert calibration
    imitated = []

    def darker(split: Split) -> Split:
        imitated.append(len(split))
        return Split(255 - split.images, split.labels, split.class_names)

    monkeypatch.setattr(imitate, "as_photos", darker)
    own = export(run, data)["facts"]
    assert imitated == []
    assert own["calibration"]["temperature"] == calibration["temperature"]
    monkeypatch.setattr(module, "is_fashion_mnist", lambda hashes: True)
    facts = export(run, data)["facts"]
    assert imitated == [12]
    kept = darker(divide(load_training(data), validation=0.2, seed=0).validation)
    logits = open_classifier(run).logits(kept.images)
    wanted = fit(logits, kept.labels, 0.1)
    found = facts["calibration"]
    assert found["temperature"] == wanted["temperature"]
    assert found["conformal"]["threshold"] == wanted["conformal"]["threshold"]
    assert found["label_smoothing"] == 0.1
    threshold = facts["outlier"]["threshold"]
    assert threshold == outlier_threshold(outlier_score(logits)) != own["outlier"]["threshold"]
    plain = finish(tmp_path / "plain", data)
    before = plain.results.calibration
    assert before
    assert export(plain, data)["facts"]["calibration"]["temperature"] == before["temperature"]


def test_what_was_trained_on_fewer_images_is_divided_alike(tmp_path: Path, data: Path) -> None:
    run = finish(tmp_path / "run", data, train_images=12)
    assert export(run, data, int8=True)["int8"]["measured"]["n"] == 20


def test_other_data_are_refused(run: Run, tmp_path: Path) -> None:
    other = write_idx(tmp_path / "other", 3, 50, test=20)
    adopt(other)
    with pytest.raises(DataError, match="name the right folder"):
        export(run, other)


# -- what is opened is what was exported -----------------------------------------------------------


def test_a_flipped_bit_of_a_model_is_told(run: Run, data: Path) -> None:
    export(run, data, int8=True)
    for name in ("model.onnx", "model-int8.onnx"):
        path = run.path / name
        assert open_exported(path, 1).class_names == ("0", "1", "2")
        content = bytearray(path.read_bytes())
        content[content.rindex(b"balanced") if b"balanced" in content else -9] ^= 1
        path.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name} is not the file that was exported"):
            open_exported(path, 1)
    with pytest.raises(ModelError, match=r"model.onnx is not the file that was exported"):
        open_exported(run.path, 1)


def test_an_int8_model_of_an_earlier_export_is_told(run: Run, data: Path) -> None:
    """As a kill between two files leaves it."""
    export(run, data, int8=True)
    int8 = run.path / "model-int8.onnx"
    old = int8.read_bytes()
    run.log("again")
    report = json.loads((run.path / "export.json").read_text())
    report["int8"]["sha256"] = "0" * 64
    (run.path / "export.json").write_text(json.dumps(report))
    with pytest.raises(ModelError, match=r"model-int8.onnx is not the file that was exported"):
        open_exported(int8, 1)
    export(run, data)
    assert not int8.exists()
    int8.write_bytes(old)
    with pytest.raises(ModelError, match=r"model-int8.onnx is not of the export in"):
        open_exported(int8, 1)


def test_a_report_beside_a_model_is_the_exports_own(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "shoes.onnx"
    export(run, data, output=file)
    opened = open_exported(file, 1)
    (tmp_path / "shoes.json").write_text('{"notes": "of mine"}')
    assert open_exported(file, 1).sha256 == opened.sha256, "no report of ours: nothing is known"
    (tmp_path / "shoes.json").write_text('{"parity": {}, "sha256": 5}')
    with pytest.raises(ModelError, match=r"shoes.json is not as it was written .*sha256 is 5"):
        open_exported(file, 1)
    for lines in (b"1\n2\n", b"\xff"):
        (tmp_path / "shoes.json").write_bytes(lines)
        assert open_exported(file, 1).sha256 == opened.sha256
    (tmp_path / "shoes.json").unlink()
    os.mkfifo(tmp_path / "shoes.json")
    assert open_exported(file, 1).sha256 == opened.sha256, "and is not waited for"


def test_a_model_of_another_run_is_told(run: Run, data: Path, tmp_path: Path) -> None:
    """Also with its report, and of as many steps."""
    other = finish(tmp_path / "other", data, seed=1)
    path = other.path / "checkpoints/step-00000006"
    found = checkpoint.load(path)
    arrays = {name: np.asarray(array * 0.9, array.dtype) for name, array in found.model.items()}
    checkpoint.remove(path)
    checkpoint.save(path.parent, arrays, found.optimizer, found.state)
    with pytest.raises(UsageError, match=r"not the checkpoint that the results of .* measured on"):
        export(other, data)
    again = evaluated(other, data)
    export(again, data)
    export(run, data)
    shutil.copy(other.path / "model.onnx", run.path)
    with pytest.raises(ModelError, match=r"model.onnx is not the file that was exported"):
        open_exported(run.path, 1)
    shutil.copy(other.path / "export.json", run.path)
    with pytest.raises(ModelError, match=r"is not of the checkpoint that"):
        open_exported(run.path, 1)


def test_the_checkpoint_that_answers_is_the_reports(tmp_path: Path) -> None:
    for lacking in ("metrics", "calibration"):
        run, _, _ = finished_run(tmp_path / lacking, answer="final")
        assert answering_checkpoint(run) == "final"
        (run.path / f"{lacking}.json").unlink()
        with pytest.raises(UsageError) as caught:
            answering_checkpoint(run)
        assert str(caught.value) == (
            f"{run.path} has no results or no calibration yet; make them with: "
            f"fashion-cnn evaluate {run.path}"
        )


def test_the_result_in_lines() -> None:
    report = {
        "bytes": 1_234_567,
        "opset": 17,
        "parity": {"images": 10_000, "compared": "logits", "largest_difference": 0.0000123},
        "facts": {"measured": {"accuracy": 0.91234, "n": 10_000, "split": "test"}},
    }
    where = ExportFiles(Path("a.onnx"), Path("a-int8.onnx"), Path("a.json"))
    lines = [
        "a.onnx: 1.23 MB, ONNX opset 17, 91.23% of 10,000 test images",
        "agrees with the trained model on all 10,000 test images (logits within 1e-05)",
    ]
    last = "a.json: what was compared and measured"
    assert export_text(report, where).split("\n") == [*lines, last]
    report["int8"] = {
        "bytes": 345_678,
        "measured": {"accuracy": 0.9111, "float_accuracy": 0.9123, "same_class": 0.9876},
    }
    small = "a-int8.onnx: 0.35 MB, 91.11% (-0.12 points), the same class for 98.76%"
    assert export_text(report, where).split("\n") == [*lines, small, last]


def test_the_runs_own_names_are_the_default_whoever_says_them(run: Run, data: Path) -> None:
    export(run, data, output=run.path / "model.onnx")
    assert not (run.path / "model.json").exists()
    assert open_exported(run.path, 1).sha256
    with pytest.raises(UsageError, match="is the name of an int8 variant"):
        export(run, data, output=run.path / "model-int8.onnx")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("best-int8.onnx", b"somebody's", "the int8 variant"),
        ("best.onnx", b"somebody's", "the model"),
        ("best.json", b'{"notes": "of mine"}', "the report on the export"),
        ("best.json", b'["parity", "sha256"]', "the report on the export"),
    ],
)
def test_a_file_of_another_tool_is_not_replaced(
    run: Run, data: Path, tmp_path: Path, monkeypatch, name: str, content: bytes, what: str
) -> None:
    """Nor is anything computed before that is said."""
    other = tmp_path / name
    other.write_bytes(content)
    monkeypatch.setattr(module, "open_framework", lambda hardware: pytest.fail("computed"))
    with pytest.raises(UsageError, match=f"{name}, where {what} goes, is another file, of no"):
        export(run, data, output=tmp_path / "best.onnx")
    assert other.read_bytes() == content
    assert {path.name for path in tmp_path.glob("best*")} == {name}


def test_a_list_beside_an_int8_variant_is_no_report(run: Run, data: Path, tmp_path: Path) -> None:
    export(run, data, output=tmp_path / "best.onnx", int8=True)
    (tmp_path / "best.json").write_text('["parity", "sha256"]')
    assert open_exported(tmp_path / "best-int8.onnx", 1).class_names == ("0", "1", "2")
    with pytest.raises(UsageError, match=r"best.json, where the report on the export goes, is"):
        export(run, data, output=tmp_path / "best.onnx")


def test_an_export_of_ours_is_replaced_and_stays_where_nothing_can_take_its_place(
    run: Run, data: Path, tmp_path: Path, monkeypatch
) -> None:
    file = tmp_path / "best.onnx"
    export(run, data, output=file, int8=True)
    (tmp_path / "best.json").unlink()
    export(run, data, output=file, int8=True)  # each file says itself whose it is
    before = {path.name: path.read_bytes() for path in tmp_path.glob("best*")}
    assert set(before) == {"best.onnx", "best-int8.onnx", "best.json"}
    answer = TorchClassifier.logits
    monkeypatch.setattr(
        TorchClassifier, "logits", lambda self, images: answer(self, images)[:, ::-1]
    )
    with pytest.raises(ExportError, match="nothing was exported"):
        export(run, data, output=file)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("best*")} == before
    monkeypatch.undo()
    assert open_exported(file, 1).class_names == ("0", "1", "2")


def test_a_damaged_report_of_ours_is_told(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "shoes.onnx"
    export(run, data, output=file)
    report = (tmp_path / "shoes.json").read_bytes()
    (tmp_path / "shoes.json").write_bytes(report[:-20])
    with pytest.raises(ModelError, match="shoes.json is not as it was written"):
        open_exported(file, 1)
    (tmp_path / "shoes.json").write_bytes(report)
    other = tmp_path / "shoes-int8.onnx"
    other.write_bytes(b"somebody's")
    with pytest.raises(
        UsageError, match="shoes-int8.onnx, where the int8 variant goes, is another"
    ):
        export(run, data, output=file)
    assert other.read_bytes() == b"somebody's"
