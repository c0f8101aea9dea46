"""Training that starts from weights of before: which are taken, which refused, what is frozen."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import SHA256
from fashion_cnn.errors import CheckpointError, ModelError, NotFiniteError, UsageError
from fashion_cnn.on_torch import train as train_module
from fashion_cnn.on_torch.classifier import weight_arrays
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.on_torch.start import fit, take_weights
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.on_torch.train import train_step
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import remove
from fashion_cnn.run.folder import Run
from fashion_cnn.run.weights import Weights, has_seen_validation, read_weights
from fashion_cnn.studies import study as tuning
from short import train_here
from test_train import RESIDUAL, SHORT, content, go, timeless

# 240 images, 5 steps an epoch: the head alone learns in the first 5 of 15 steps.
NETWORKS = {
    "adam": SHORT.replace(width=4),
    "sgd": SHORT.replace(width=4, optimizer="sgd", learning_rate=0.05),
    "muon, batch norm, average": RESIDUAL,
    "average": SHORT.replace(width=4, ema_decay=0.5),
}


@pytest.fixture(scope="module")
def before(small_data, tmp_path_factory) -> dict[str, Run]:
    """An earlier run of each."""
    base = tmp_path_factory.mktemp("before")
    return {
        name: go(recipe.replace(epochs=1, seed=5), small_data, base / name.partition(",")[0])
        for name, recipe in NETWORKS.items()
    }


@pytest.fixture(scope="module")
def tuned(before, small_data, tmp_path_factory) -> dict[str, Run]:
    """Each fine-tuned from that without a stop."""
    base = tmp_path_factory.mktemp("tuned")
    return {
        name: go(
            recipe.replace(init_from=str(before[name].path), freeze=1),
            small_data,
            base / name.partition(",")[0],
        )
        for name, recipe in NETWORKS.items()
    }


def weights_of(run: Run, step: int | str = "final") -> dict[str, np.ndarray]:
    name = step if isinstance(step, str) else f"step-{step:08d}"
    return dict(run.checkpoints.load(name).model)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_starts_where_the_other_run_ended_and_says_so(
    before, small_data, tmp_path, name: str
) -> None:
    source = before[name]
    run = go(
        NETWORKS[name].replace(init_from=str(source.path)), small_data, tmp_path / "run", stop=0
    )
    wanted = weights_of(source, "best")
    found = weights_of(run)
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_array_equal(found[key], array)
    file = source.path / "checkpoints/best/model.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (run.recipe.init_from, run.recipe.init_sha256) == (str(source.path), digest)
    (entry,) = [entry for entry in run.events() if entry["event"] == "took weights"]
    assert (entry["file"], entry["sha256"], entry["anew"]) == (str(file), digest, [])


def test_the_average_starts_from_them_too(before, small_data, tmp_path) -> None:
    recipe = NETWORKS["average"].replace(init_from=str(before["average"].path))
    run = go(recipe, small_data, tmp_path, stop=0)
    found = run.checkpoints.load("final")
    np.testing.assert_array_equal(
        found.model["conv1.weight"], found.optimizer["conv1.weight/weight"]
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_alone_learns_at_first_and_then_all(
    before, tuned, small_data, tmp_path, name: str
) -> None:
    source = weights_of(before[name], "best")
    recipe = tuned[name].recipe
    frozen = weights_of(go(recipe.replace(epochs=1), small_data, tmp_path), 5)
    for key, array in source.items():
        same = np.array_equal(frozen[key], array)
        assert same != key.startswith("output."), key
    fixed = ("mean", "std", "whitening", "norm1.weight", "norm2.weight")
    after = weights_of(tuned[name])
    learned = [key for key in source if not np.array_equal(after[key], source[key])]
    assert set(source) - set(learned) <= {key for key in source if key.endswith(fixed)} | {
        key for key in source if name.startswith("muon") and (source[key] == 1).all()
    }


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("stops", [[0], [3, 2, 6]])
def test_it_resumes_to_the_same_bits_without_the_file(
    before, tuned, small_data, tmp_path, name: str, stops: list[int]
) -> None:
    copy = tmp_path / "before"
    shutil.copytree(before[name].path, copy, symlinks=True)
    recipe = tuned[name].recipe.replace(init_from=str(copy))
    for turn, stop in enumerate(stops):
        run = go(recipe, small_data, tmp_path / "run", stop=stop, resume=turn > 0)
        shutil.rmtree(copy, ignore_errors=True)
    run = go(recipe, small_data, tmp_path / "run", resume=True)
    assert content(run) == content(tuned[name])
    assert content(run, "best") == content(tuned[name], "best")
    assert timeless(run) == timeless(tuned[name])


def test_a_roll_back_into_the_frozen_epochs_thaws_again(
    before, small_data, tmp_path, monkeypatch
) -> None:
    learned, fail_at = [], [6]

    def failing(state, images, labels, rate):
        learned.append((state.step, state.model.conv1.weight.requires_grad))
        if fail_at and state.step == fail_at[0]:
            fail_at.pop()
            raise NotFiniteError("loss nan")
        return train_step(state, images, labels, rate)

    monkeypatch.setattr(train_module, "train_step", failing)
    recipe = NETWORKS["adam"].replace(init_from=str(before["adam"].path), freeze=1, epochs=2)
    go(recipe, small_data, tmp_path)
    assert learned[4:9] == [(4, False), (5, True), (6, True), (5, True), (6, True)]


def test_what_is_frozen_acts_as_it_answers(before, small_data) -> None:
    recipe = RESIDUAL.replace(freeze=1, init_from=str(before["muon, batch norm, average"].path))
    state = TorchState.start(recipe, small_data, torch.device("cpu"))
    norms = [m for m in state.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    state.freeze(True)
    assert not any(norm.training for norm in norms)
    assert state.model.dropout.training
    state.freeze(False)
    assert all(norm.training for norm in norms)
    assert not any(norm.weight.requires_grad for norm in norms), "a scale that nobody ever learns"


def sized(model: torch.nn.Module, classes: int) -> dict[str, np.ndarray]:
    """Its weights, as a run with another number of classes would have them."""
    arrays = weight_arrays(model)
    for name in arrays:
        if name.startswith("output."):
            arrays[name] = np.ones((classes, *arrays[name].shape[1:]), np.float32)
    return arrays


@pytest.mark.parametrize("name", ["simple_cnn", "strided_cnn", "resnet", "wide_resnet"])
def test_a_head_for_other_classes_begins_anew(name: str) -> None:
    torch.manual_seed(0)
    other, model = (build_model(Recipe(model=name, width=4), 10) for _ in range(2))
    start = weight_arrays(model)
    weights = fit(model, Weights(Path("x"), "", sized(other, 7)))
    assert set(weights.anew) == {key for key in start if key.startswith("output.")}
    take_weights(model, weights)
    for key, array in weight_arrays(model).items():
        wanted = start if key in weights.anew else weight_arrays(other)
        np.testing.assert_array_equal(array, wanted[key])


def test_a_head_for_as_many_classes_is_taken() -> None:
    torch.manual_seed(0)
    model = build_model(Recipe(width=4), 10)
    weights = fit(model, Weights(Path("x"), "", sized(model, 10)))
    assert weights.anew == ()
    take_weights(model, weights)
    assert (weight_arrays(model)["output.weight"] == 1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv2.weight": np.zeros((8, 4, 5, 5), np.float32)}, "conv2.weight is float32"),
        ({"conv2.weight": np.zeros((8, 4, 3, 3), np.float64)}, "conv2.weight is float64"),
        ({"conv9.weight": np.zeros(3, np.float32)}, "has an unknown tensor 'conv9.weight'"),
        ({"conv2.weight": None}, "lacks tensor 'conv2.weight'"),
        ({"output.weight": np.zeros((10, 9), np.float32)}, "output.weight is float32"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(change: dict, words: str) -> None:
    model = build_model(Recipe(width=4), 10)
    arrays = {**weight_arrays(model), **change}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(CheckpointError, match=words):
        fit(model, Weights(Path("x"), "", arrays))


def test_files_that_cannot_be_used_are_refused_by_name(before, tmp_path) -> None:
    run = before["adam"].path
    good = read_weights(run).file.read_bytes()
    arrays = safetensors.numpy.load(good)
    hole = {**arrays, "mean": np.array(np.nan, np.float32)}
    torch.save({"mean": torch.zeros(1)}, tmp_path / "w.pt")
    for content_, words in (
        (None, "w cannot be read: No such file"),
        (b"", "w is no safetensors file"),
        ((tmp_path / "w.pt").read_bytes(), "w is no safetensors file"),
        (good[:-1], "w is no safetensors file"),
        (safetensors.numpy.save(hole), "mean is not finite"),
    ):
        if content_ is not None:
            (tmp_path / "w").write_bytes(content_)
        with pytest.raises(ModelError, match=words):
            read_weights(tmp_path / "w")
    (tmp_path / "w").write_bytes(good)
    found = read_weights(tmp_path / "w")
    assert read_weights(tmp_path / "w", found.sha256).sha256 == found.sha256
    (tmp_path / "w").write_bytes(safetensors.numpy.save({**arrays, "mean": np.float32(0)[None]}))
    with pytest.raises(ModelError, match=f"w is not the file .* not {found.sha256}; bring that"):
        read_weights(tmp_path / "w", found.sha256)


def test_runs_that_cannot_be_used_are_refused_by_name(before, tmp_path) -> None:
    with pytest.raises(ModelError, match="holds no run"):
        read_weights(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(before["adam"].path, run)
    (run / "checkpoints/best/model.safetensors").write_bytes(b"altered")
    with pytest.raises(ModelError, match="nothing to start from.*model.safetensors has 7 bytes"):
        read_weights(run)
    remove(run / "checkpoints")
    with pytest.raises(ModelError, match="nothing to start from.*cannot be read"):
        read_weights(run)


def test_a_run_of_another_network_is_refused(before, small_data, tmp_path) -> None:
    recipe = NETWORKS["adam"].replace(init_from=str(before["adam"].path))
    for changes in ({"width": 8}, {"model": "resnet"}):
        with pytest.raises(ModelError, match="cannot start from another network: .*safetensors"):
            go(recipe.replace(**changes), small_data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_stopped_in_its_first_epoch_has_weights_too(small_data, tmp_path) -> None:
    run = go(NETWORKS["adam"], small_data, tmp_path, stop=3)
    assert read_weights(run.path).file == run.path / "checkpoints/final/model.safetensors"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"freeze": 2}, "freeze is 2, but training starts from random weights"),
        ({"freeze": -1}, "freeze is -1; it must be a whole number of at least 0"),
        ({"init_sha256": "0" * 64}, "init_sha256 is 0.*starts from random weights"),
        ({"init_sha256": "0" * 63, "init_from": "x"}, "it must be 64 hexadecimal digits, or empty"),
        ({"init_from": 3}, "init_from is 3; it must be of type str"),
        (
            {"pretrained": False},
            "pretrained is False, but it applies only to timm's networks without",
        ),
        (
            {"model": "timm:x", "pretrained": False, "init_from": "y"},
            "pretrained is False, but it applies only to timm's networks without an init_from",
        ),
        ({"model": "timm:x", "freeze": 1, "pretrained": False}, "freeze is 1"),
        ({"model": "timm:x", "precision": "mixed"}, "for timm's networks it must be 'float32'"),
        ({"model": "timm:x", "input_side": 16}, "input_side is 16; it must be .* at least 32"),
    ],
)
def test_fields_that_contradict_each_other(fields: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe(**fields)


def test_recipes_without_a_start_are_what_they_were() -> None:
    """Fingerprints from before there were these fields: older runs go on."""
    other = Recipe(model="resnet", width=4, optimizer="muon", ema_decay=0.8, flip=True)
    assert [one.fingerprint("x") for one in (Recipe(), other)] == [
        "db4e6756fa55f80c",
        "44a5c255a570721b",
    ]


TINY = [
    *("--width", "4", "--train-images", "300", "--epochs", "1", "--validation", "0.01"),
    *("--threads", "1", "--no-test"),
]


def test_from_the_command_line(here, capsys) -> None:
    assert main(["train", *TINY, "--name", "before"]) == 0
    start = ["--init-from", "runs/before"]
    assert main(["train", *TINY, *start, "--freeze", "1", "--name", "after"]) == 0
    said = capsys.readouterr().err
    assert "starting from runs/before/checkpoints/best/model.safetensors\n" in said
    after = Run("runs/after")
    again = f"--init-from runs/before --init-sha256 {after.recipe.init_sha256} --freeze 1"
    assert again in (after.path / "report.html").read_text()
    assert "validation_seen_before" not in after.split

    assert main(["train", *TINY, *start, "--seed", "1", "--name", "seen"]) == 0
    assert "validation figures will flatter" in capsys.readouterr().err
    assert Run("runs/seen").split["validation_seen_before"] is True
    same = [*TINY, "--init-from", "runs/seen", "--seed", "1", "--name", "seen-too"]
    assert main(["train", *same]) == 0
    assert Run("runs/seen-too").split["validation_seen_before"] is True

    file = "runs/before/checkpoints/final/model.safetensors"
    assert main(["train", *TINY, "--init-from", file, "--seed", "1", "--name", "by-file"]) == 0
    assert Run("runs/by-file").split["validation_seen_before"] is True

    assert main(["train", *TINY, "--overwrite", "--seed", "9", "--name", "before"]) == 0
    assert main(["train", *TINY, *again.split(), "--name", "again"]) == 3
    assert "is not the file that init_sha256 names" in capsys.readouterr().err
    assert not Path("runs/again").exists()
    shutil.rmtree("runs/before")
    assert main(["train", *TINY, *start, "--name", "again"]) == 3
    assert "runs/before cannot be read" in capsys.readouterr().err
    assert not Path("runs/again").exists()
    assert main(["train", "--resume", "--epochs", "2", "--threads", "1", "--name", "after"]) == 0
    assert main(["evaluate", "runs/after", "--framework", "keras"]) == 0

    before = sorted(Path("runs/after").rglob("*"))
    itself = ["--init-from", "runs/after/checkpoints/best/model.safetensors", "--overwrite"]
    assert main(["train", *TINY, *itself, "--name", "after"]) == 2
    assert "which the new run would replace" in capsys.readouterr().err
    assert sorted(Path("runs/after").rglob("*")) == before

    for words in (start, ["--init-from", "runs/after", "--freeze", "1"]):
        assert main(["train", *TINY, *words, "--framework", "keras", "--name", "k"]) == 2
        assert "init_from is 'runs/" in capsys.readouterr().err
    assert not Path("runs/k").exists()


def test_a_study_starts_from_weights_and_goes_on(here, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    assert main(["train", *TINY, "--name", "before"]) == 0
    Path("s.toml").write_text(
        'recipe = "baseline"\nseeds = [0]\nmeasure = "validation"\n[fields]\nwidth = 4\n'
        'epochs = 1\ntrain_images = 300\nvalidation = 0.01\n[variants."anew"]\n'
        '[variants."tuned"]\ninit_from = "runs/before"\nfreeze = 1\n'
    )
    command = ["study", "s.toml", "--threads", "1"]
    assert main(command) == 0
    record = Path("runs/studies/s/study.json")
    rows = json.loads(record.read_text())["runs"]
    assert rows[1]["init_sha256"] == Run("runs/studies/s/tuned/seed-0").recipe.init_sha256
    assert "init_sha256" not in rows[0]
    left = {**json.loads(record.read_text()), "runs": rows[:1]}
    record.write_text(json.dumps(left))
    assert main(command) == 0
    again = json.loads(record.read_text())["runs"][1]
    assert again["resumed"]
    assert again["accuracy"] == rows[1]["accuracy"]


@pytest.mark.parametrize(
    ("fields", "data", "seen"),
    [
        ({}, SHA256, False),
        ({"seed": 1}, SHA256, True),
        ({"validation": 0.2}, SHA256, True),
        ({"seed": 1}, {**SHA256, "train-images-idx3-ubyte.gz": "0" * 64}, False),
    ],
    ids=["divided alike", "another seed", "another share", "other data"],
)
def test_who_trained_on_what_now_validates_is_told_by_data_seed_and_share(
    tmp_path, fields: dict, data: dict, seen: bool
) -> None:
    run = Run(tmp_path / "before")
    run.path.mkdir()
    environment = {"framework": "pytorch", "device": "cpu", "threads": 1}
    run.describe({**environment, "data_sha256": dict(SHA256)}, {"test_sealed": True})
    run.record_recipe(Recipe())
    recipe = Recipe(init_from=str(run.path), **fields)
    assert has_seen_validation(recipe, data) is seen
    foreign = recipe.replace(init_from=str(tmp_path / "elsewhere"))
    assert not has_seen_validation(foreign, data)
    assert has_seen_validation(foreign.replace(epochs=0), data)


@pytest.mark.parametrize(("model", "seen"), [("simple_cnn", False), ("net.py:Net", True)])
def test_a_network_that_brings_its_weights_may_have_seen_anything(model: str, seen: bool) -> None:
    assert has_seen_validation(Recipe(model=model, epochs=0), SHA256) is seen
    assert not has_seen_validation(Recipe(model=model), SHA256)
