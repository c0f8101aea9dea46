"""Several runs as one model: it answers with their mean, and is calibrated on what is new to it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import fashion_cnn as fc
from conftest import REPOSITORY
from exported import export_each_network_once
from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.framing import Framing
from fashion_cnn.errors import ExportError, UsageError
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.outliers import outlier_score
from fashion_cnn.on_torch.imitate import as_photos
from fashion_cnn.recipes import own_network
from fashion_cnn.recipes.catalog import named
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping import ensemble as module
from fashion_cnn.shipping.ensemble import Ensemble
from fashion_cnn.shipping.inside import SEVERAL, Inside
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.teacher import knows_validation
from opened import load_test, load_training

SMALL = ("--epochs", "2", "--train-images", "600", "--batch-size", "100", "--threads", "1")
RUNS = {
    "zero": ("fast", "--seed", "0"),
    "one": ("fast", "--seed", "1"),
    "sealed": ("fast", "--seed", "2", "--no-test"),
    "simple": ("baseline", "--seed", "0", "--validation", str(named("fast").validation)),
    "photo": ("photo", "--model", "strided_cnn", "--width", "8"),
}


@pytest.fixture(scope="module")
def trained(few_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    file = folder / "net.py"
    shutil.copy(REPOSITORY / "examples" / "my_net.py", file)
    for name, words in {**RUNS, "own": ("fast", "--model", f"{file}:MyNet")}.items():
        where = ("--data-dir", str(few_data), "--output", str(folder / name))
        assert main(["train", *words, *SMALL, *where]) == 0
    return folder


@pytest.fixture
def runs(trained: Path, few_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    export_each_network_once(monkeypatch)
    shutil.copytree(trained, tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path / "runs")
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    return tmp_path / "runs"


def export(*names: str, **words: object) -> tuple[OnnxClassifier, dict]:
    """The file of these runs, and the report beside it."""
    file = fc.export(list(names), "together.onnx", **words)
    return OnnxClassifier.open(file), json.loads(Path("together.json").read_text())


def logits_of(name: str, images: np.ndarray) -> np.ndarray:
    return fc.open_classifier(name).logits(images)


def answers_of(name: str, images: np.ndarray, *, mirrored: bool = False) -> np.ndarray:
    """The calibrated probabilities of a single run."""
    logits, found = logits_of(name, images), Run.open(Path(name)).results.calibration
    if mirrored:
        logits = (logits + logits_of(name, images[:, :, ::-1].copy())) / 2
    assert found
    return np.exp(Calibration.from_dict(found).log_probabilities(logits))


def test_it_answers_with_the_mean_of_the_probabilities(runs: Path, few_data: Path) -> None:
    model, report = export("zero", "one", "simple")
    test = load_test(few_data)
    wanted = np.mean([answers_of(name, test.images) for name in ("zero", "one", "simple")], axis=0)
    np.testing.assert_allclose(np.exp(model.logits(test.images)), wanted, atol=1e-5)
    calibration = Calibration.from_dict(report["facts"]["calibration"])
    np.testing.assert_allclose(
        model.probabilities(test.images),
        np.exp(calibration.log_probabilities(np.log(wanted))),
        atol=1e-5,
    )
    assert report["facts"]["measured"]["split"] == "test"
    assert report["facts"]["measured"]["accuracy"] == (wanted.argmax(1) == test.labels).mean()
    assert report["calibration"]["split"] == "test"
    assert report["parity"]["passed"]
    warned = outlier_score(np.log(wanted)) > report["facts"]["outlier"]["threshold"]
    assert report["test_images_warned_of"] == pytest.approx(warned.mean(), abs=0.004)


def test_it_is_the_ensemble_that_compare_speaks_of(runs: Path) -> None:
    _, report = export("zero", "one")
    group = fc.compare("zero", "one", "simple").groups[0]
    assert group.ensemble is not None
    assert group.ensemble.correct.mean() == report["facts"]["measured"]["accuracy"]


@pytest.mark.parametrize("tta", [False, True])
def test_no_image_is_answered_by_who_trained_on_it(runs: Path, few_data: Path, tta: bool) -> None:
    _, report = export("zero", "one", "simple", tta=tta)
    everything, data_set = load_training(few_data), DataSet.open(few_data)
    parts = {name: data_set.divided(Run.open(Path(name)).recipe) for name in RUNS}
    sums = np.zeros((len(everything), 10))
    counts = np.zeros(len(everything))
    for name in ("zero", "one", "simple"):
        new = parts[name].validation_indices
        sums[new] += answers_of(name, everything.images[new], mirrored=tta)
        counts[new] += 1
    held_out = np.union1d(parts["zero"].validation_indices, parts["one"].validation_indices)
    assert set(held_out) > set(parts["simple"].validation_indices)
    assert 1 <= counts[held_out].min() < counts[held_out].max() == 3
    logits = np.log(sums[held_out] / counts[held_out, None])
    wanted = fit(logits, everything.labels[held_out])
    found = report["facts"]["calibration"]
    assert found["temperature"] == pytest.approx(wanted["temperature"], rel=1e-3)
    assert found["conformal"]["threshold"] == pytest.approx(
        wanted["conformal"]["threshold"], rel=1e-3
    )
    assert report["fitted_on"] == {"n": len(held_out), "answered_by": counts[held_out].mean()}
    warned = outlier_score(logits) > report["facts"]["outlier"]["threshold"] + 1e-4
    assert 0 < warned.mean() <= 0.05


def test_one_run_may_see_the_mirror_image_too(runs: Path, few_data: Path) -> None:
    model, report = export("zero", tta=True)
    test = load_test(few_data)
    wanted = answers_of("zero", test.images, mirrored=True)
    plain = answers_of("zero", test.images)
    np.testing.assert_allclose(np.exp(model.logits(test.images)), wanted, atol=1e-5)
    assert np.abs(wanted - plain).max() > 0.05
    assert main(["evaluate", "zero", "--tta"]) == 0
    shown = Run.open(Path("zero")).results.metrics.tta
    assert shown
    assert shown.test
    assert shown.test.accuracy == report["facts"]["measured"]["accuracy"]
    assert report["facts"]["recipe"]["name"] == "fast + TTA"


def test_photos_are_what_an_ensemble_for_photos_is_calibrated_on(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))
    for seed in "01":
        words = (*RUNS["photo"], *SMALL, "--no-test", "--seed", seed, "--output", seed)
        assert main(["train", *words, "--validation", "0.005"]) == 0
    model, report = export("0", "1")
    data_set = DataSet.open(real_data)
    parts = [data_set.divided(Run.open(Path(name)).recipe) for name in "01"]
    kept = np.union1d(*(one.validation_indices for one in parts))
    clean = load_training(real_data).select(kept)
    seen, warned = as_photos(clean), report["facts"]["outlier"]["threshold"] + 1e-4
    total, count = np.zeros((2, len(kept), 10)), np.zeros((len(kept), 1))
    for name, one in zip("01", parts, strict=True):
        photos = as_photos(one.validation)
        fitted = fit(logits_of(name, photos.images), photos.labels, 0.05)
        new = np.isin(kept, one.validation_indices)
        for sums, split in zip(total, (clean, seen), strict=True):
            logits = logits_of(name, split.images[new])
            sums[new] += np.exp(Calibration.from_dict(fitted).log_probabilities(logits))
        count[new] += 1
    assert Run.open(Path("0")).recipe.label_smoothing == 0.05
    on_clean, on_seen = np.log(total / count)
    wanted = fit(on_seen, seen.labels)["temperature"]
    assert report["facts"]["calibration"]["temperature"] == pytest.approx(wanted, rel=1e-3)
    assert (outlier_score(on_seen) > warned).mean() <= 0.05
    right = (on_clean.argmax(1) == clean.labels).mean()
    assert report["facts"]["measured"]["accuracy"] == right
    assert model.facts["measured"]["split"] == "validation"


@pytest.mark.parametrize("words", [("--trust-code",), ("--model", "net.py:MyNet")])
def test_networks_of_ones_own_answer_with_ours(
    runs: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(own_network, "_ALLOWED", {})  # as in another process
    command = ["export", "zero", "own", "--output", "together.onnx"]
    assert main(command) == 2
    assert main([*command, *words]) == 0
    assert OnnxClassifier.open(Path("together.onnx")).facts["recipe"]["name"] == "2 x fast"


def test_of_weights_there_is_one_copy_a_network(runs: Path) -> None:
    single = fc.export("zero").stat().st_size
    sizes = [fc.export(["zero"], "twice.onnx", tta=True).stat().st_size]
    sizes.append(fc.export(["zero", "one"], "two.onnx").stat().st_size / 2)
    for size in sizes:
        assert single < size < single + 20_000


def test_each_run_counts_that_the_test_set_was_opened(runs: Path) -> None:
    before = {name: Run.open(Path(name)).test_readings() for name in ("zero", "one", "simple")}
    export("zero", "one")
    after = {name: Run.open(Path(name)).test_readings() for name in ("zero", "one", "simple")}
    assert after == {"zero": before["zero"] + 1, "one": before["one"] + 1, "simple": 1}


def test_a_sealed_run_keeps_the_test_set_sealed(
    runs: Path, few_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataSet, "test", lambda self: pytest.fail("the test set was opened"))
    _, report = export("zero", "sealed")
    data_set = DataSet.open(few_data)
    measured = report["facts"]["measured"]
    kept = [
        data_set.divided(Run.open(Path(name)).recipe).validation_indices
        for name in ("zero", "sealed")
    ]
    assert measured["split"] == report["calibration"]["split"] == "validation"
    assert measured["n"] == len(np.union1d(*kept))
    assert Run.open(Path("zero")).test_readings() == 1
    assert Run.open(Path("sealed")).test_readings() == 0


def test_the_file_says_what_is_in_it(runs: Path, capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    words = ["export", "zero", "one", "simple", "--output", "together.onnx"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "agrees with the 3 trained models together on all 600 test images" in said
    facts = OnnxClassifier.open(Path("together.onnx")).facts
    assert facts["recipe"]["name"] == "2 x fast + baseline"
    assert [one["seed"] for one in facts["recipe"]["members"]] == [0, 1, 0]
    assert [one["step"] for one in facts["made_by"]["members"]] == [
        Run.open(Path(name)).results.metrics.answering.step for name in ("zero", "one", "simple")
    ]
    boot = REPOSITORY / "examples" / "boot.png"
    assert main(["predict", "--model", "together.onnx", str(boot), "--format", "json"]) == 0
    assert '"recipe": "2 x fast + baseline"' in capsys.readouterr().out


def test_nothing_is_shown_of_the_inside_of_several(runs: Path) -> None:
    model, _ = export("zero", "one")
    seen = Inside(model).see(np.zeros((28, 28), np.uint8))
    assert seen.notes == [SEVERAL]
    assert not seen.stages


def test_an_ensemble_teaches(runs: Path) -> None:
    model, _ = export("zero", "one")
    data_sha256 = Run.open(Path("zero")).environment["data_sha256"]
    recipe = Run.open(Path("zero")).recipe
    assert knows_validation(model, recipe, data_sha256)  # the one of seed 1 does
    alone, _ = export("zero", "simple")
    assert not knows_validation(alone, recipe, data_sha256)
    assert knows_validation(alone, recipe.replace(seed=3), data_sha256)
    words = ["--teacher", "together.onnx", "--distill", "0.5", "--output", "taught"]
    assert main(["train", "fast", *SMALL, *words]) == 0
    assert Run.open(Path("taught")).recipe.teacher_sha256 == alone.sha256


@pytest.mark.parametrize(
    ("names", "words", "message"),
    [
        (["zero", "one"], {"output": None}, "give --output"),
        (["zero"], {"output": None, "tta": True}, "give --output"),
        (["zero", "one"], {"int8": True}, "int8 is for one run"),
        (["zero", "one", "../runs/zero"], {}, "a run is given twice"),
        (["zero", "photo"], {}, "some of the runs are for photos"),
        ([], {}, "no run"),
        (["zero", "one"], {"output": "zero.png"}, "must end in .onnx"),
        (["zero", "one"], {"output": "simple/model.onnx"}, "that run's own model"),
        (["zero", "one", "none"], {}, "none holds no run"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], words: dict, message: str
) -> None:
    monkeypatch.setattr(module, "is_for_photos", lambda run: run.recipe.photo > 0)
    with pytest.raises(UsageError, match=message):
        fc.export(names, **{"output": "together.onnx", **words})
    assert not Path("together.onnx").exists()


@pytest.mark.parametrize("output", ["one/model.onnx", "zero/../one/model.onnx"])
def test_a_run_does_not_replace_the_model_of_another(runs: Path, output: str) -> None:
    for name in ("model.onnx", "model-int8.onnx", "export.json"):
        Path("one", name).write_bytes(b'{"fashion_cnn": "", "parity": 1, "sha256": ""}')
    before = {path.name: path.read_bytes() for path in Path("one").iterdir() if path.is_file()}
    with pytest.raises(UsageError, match="is where that run's own model goes"):
        fc.export("zero", output)
    after = {path.name: path.read_bytes() for path in Path("one").iterdir() if path.is_file()}
    assert after == before
    assert fc.export("zero", "../runs/zero/model.onnx").is_file(), "its own is its to replace"


def test_runs_whose_images_lie_otherwise_are_refused(runs: Path) -> None:
    run = Run.open(Path("one"))
    margins = str(Framing(longest=20))
    run.describe(run.environment, {**run.split, "framing": margins})
    with pytest.raises(UsageError, match="lie in other ways"):
        export("zero", "one")


def test_a_graph_that_answers_otherwise_is_not_left(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = module.complete_ensemble

    def forgetful(members: list, *arguments: object, **words: object) -> object:
        return complete(members[:1], *arguments, **words)

    monkeypatch.setattr(module, "complete_ensemble", forgetful)
    with pytest.raises(ExportError, match="is not the trained model"):
        export("zero", "one")
    assert not Path("together.onnx").exists()
    assert Run.open(Path("zero")).test_readings() == 1, "nothing is read for nothing"
    assert not json.loads(Path("together.json").read_text())["parity"]["passed"]


class Sure:
    """Says one class, by so much."""

    def __init__(self, label: int, by: float) -> None:
        self._row = np.eye(3, dtype=np.float32)[label] * np.float32(by)

    def logits(self, images: np.ndarray) -> np.ndarray:
        return np.tile(self._row, (len(images), 1))


def test_however_sure_the_members_are_the_logits_are_finite() -> None:
    calibration = Calibration(1.0, 1.0, None)
    both = Ensemble([(Sure(0, 2e4), calibration), (Sure(1, 2e4), calibration)], tta=False)
    (row,) = both.logits(np.zeros((1, 28, 28), np.uint8))
    assert row == pytest.approx([np.log(0.5), np.log(0.5), -2e4])
    asked = np.array([[True, True], [False, True]])
    rows = both.logits(np.zeros((2, 28, 28), np.uint8), asked)
    assert rows[0] == pytest.approx([0, -2e4, -2e4])
    assert rows[1] == pytest.approx(row)
