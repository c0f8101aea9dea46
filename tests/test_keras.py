"""Keras trains what PyTorch trains: the same batches, steps and records, and it resumes exactly.

On TensorFlow, unless KERAS_BACKEND names another backend; tests/test_keras_job.py tries torch.
"""

import dataclasses
import functools
import itertools
import os
import time
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fashion_cnn import on_keras  # noqa: F401  # first of all that imports Keras: it keeps it quiet
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import epoch_order
from fashion_cnn.errors import CheckpointError, DivergedError, NotFiniteError, UsageError
from fashion_cnn.on_keras import augment as in_numpy
from fashion_cnn.on_keras import train as train_module
from fashion_cnn.on_keras.batches import Batches, read_ahead
from fashion_cnn.on_keras.framework import KerasFramework
from fashion_cnn.on_keras.model import build_model
from fashion_cnn.on_keras.state import KerasState
from fashion_cnn.on_keras.weights import load_weights, shapes, to_keras, to_torch, weight_arrays
from fashion_cnn.on_torch import augment as in_torch
from fashion_cnn.on_torch.framework import TorchFramework
from fashion_cnn.on_torch.model import build_model as build_in_torch
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.film import read_film
from fashion_cnn.run.folder import Run
from fashion_cnn.training.draws import mirrored_in
from fashion_cnn.training.progress import Progress
from short import content, timeless, train

SHORT = Recipe(epochs=2, batch_size=50, learning_rate=3e-3)  # 240 images: 4 full batches, 1 of 40
STEPS = 5


go = functools.partial(train, "keras")


@pytest.fixture(scope="module")
def straight(small_data, tmp_path_factory) -> Run:
    return go(SHORT, small_data, tmp_path_factory.mktemp("straight"))


# -- the same network ------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 4])
def test_names_and_shapes_are_pytorchs(width: int) -> None:
    recipe = Recipe(width=width)
    model, theirs = build_model(recipe, 10), build_in_torch(recipe, 10)
    wanted = {name: tuple(t.shape) for name, t in theirs.state_dict().items()}
    assert {name: array.shape for name, array in weight_arrays(model).items()} == wanted
    assert shapes(model) == {name: tuple(p.shape) for name, p in theirs.named_parameters()}
    if width == 32:
        assert model.count_params() == 241_546


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv2.weight", (64, 32, 3, 3)),
        ("hidden.weight", (128, 1152)),
        ("output.weight", (10, 128)),
    ],
)
def test_layouts_go_there_and_back(name: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    there = to_keras(name, array)
    assert there.flags.c_contiguous
    assert there.shape != shape
    np.testing.assert_array_equal(to_torch(name, there), array)


def test_the_start_is_pytorchs_distribution() -> None:
    ours, theirs = (
        weight_arrays(build_model(Recipe(), 10)),
        build_in_torch(Recipe(), 10).state_dict(),
    )
    for name in theirs:
        if name in ("mean", "std"):
            continue
        reach = theirs[name.replace("bias", "weight")][0].numel() ** -0.5
        for start in (ours[name], theirs[name].numpy()):
            assert 0.5 * reach < np.abs(start).max() <= reach, name
        if ours[name].size > 1000:
            assert ours[name].std() == pytest.approx(theirs[name].std().item(), rel=0.05)
            assert abs(ours[name].mean()) < 0.1 * reach
    again, other = build_model(Recipe(), 10), build_model(Recipe(seed=1), 10)
    np.testing.assert_array_equal(weight_arrays(again)["conv1.weight"], ours["conv1.weight"])
    assert (weight_arrays(other)["conv1.weight"] != ours["conv1.weight"]).all()


# -- the same training -----------------------------------------------------------------------------

RICH = SHORT.replace(
    optimizer="adamw",
    momentum=0.8,
    beta2=0.9,
    weight_decay=3.0,
    schedule="one-cycle",
    label_smoothing=0.1,
    class_weights=(1.0,) * 6 + (2.0,) + (1.0,) * 3,
    flip=True,
    translate=2,
    erase=0.5,
    cutout=4,
)
SAME = {
    "adam with L2": SHORT.replace(weight_decay=0.01, learning_rate=3e-4, momentum=0.8, beta2=0.9),
    "adamw and nearly everything": RICH,
    "sgd and mixing": SHORT.replace(
        optimizer="sgd", learning_rate=0.05, momentum=0.8, weight_decay=0.01, cutmix=0.5
    ),
    "plain sgd": SHORT.replace(optimizer="sgd", learning_rate=0.05, momentum=0.0, rotate=10.0),
}


@pytest.mark.parametrize("name", SAME)
def test_from_the_same_start_both_frameworks_learn_the_same(
    small_data, tmp_path, monkeypatch, name: str
) -> None:
    recipe = SAME[name].replace(dropout=0.0)
    network = TorchState.start(recipe, small_data, torch.device("cpu")).model
    start = {k: v.numpy().copy() for k, v in network.state_dict().items()}
    original = KerasState.start.__func__

    def from_there(cls, *arguments) -> KerasState:
        state = original(cls, *arguments)
        load_weights(state.model, start, "start")
        return state

    monkeypatch.setattr(KerasState, "start", classmethod(from_there))
    ours = go(recipe, small_data, tmp_path / "keras")
    theirs = Run(tmp_path / "torch")
    theirs.path.mkdir()
    trained = TorchFramework("cpu", None, False)
    trained.train(recipe, small_data, theirs, Interruption(), Progress(quiet=True))
    for a, b in zip(timeless(ours), timeless(theirs), strict=True):
        for field, value in a.items():
            assert value == pytest.approx(b[field], abs=5e-4), field
        assert (a["learning_rate"], a["step"]) == (b["learning_rate"], b["step"])
    a, b = (run.checkpoints.load("final") for run in (ours, theirs))
    assert a.model.keys() == b.model.keys()
    assert a.optimizer.keys() == b.optimizer.keys(), "a reader cannot tell who wrote it"
    for of, wanted in ((a.model, b.model), (a.optimizer, b.optimizer)):
        for tensor in wanted:
            assert of[tensor].dtype == wanted[tensor].dtype
            distance = np.linalg.norm(of[tensor] - wanted[tensor])
            assert distance <= 0.05 * np.linalg.norm(wanted[tensor]) + 1e-6, tensor


def test_a_new_field_of_a_recipe_is_thought_of_here() -> None:
    """What the Keras side does not read, and does not refuse, it would pass over in silence."""
    read_or_refused = """
        name model width blocks seed epochs batch_size validation answer train_images optimizer
        learning_rate momentum beta2 weight_decay schedule schedule_epochs schedule_factor
        warmup dropout label_smoothing class_weights ema_decay flip
        translate rotate erase cutout cutmix augment_classes
        outliers photo precision early_stopping init_from freeze teacher model_sha256
    """
    # With init_from, a teacher, or a model of timm's.
    with_those_alone = "init_sha256 teacher_sha256 distill pretrained input_side"
    read_or_refused += with_those_alone
    assert {item.name for item in dataclasses.fields(Recipe)} == set(read_or_refused.split())


def test_batches_are_those_of_the_epoch_order(small_data) -> None:
    split, recipe = small_data.training, SHORT.replace(batch_size=64)
    order = epoch_order(len(split), recipe.seed, 1)
    batches = Batches(small_data, recipe, 1, 0)
    parts = [batches[i] for i in range(len(batches))]
    assert [len(images) for images, _ in parts] == [64, 64, 64, 48]
    np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), split.images[order])
    labels = np.concatenate([p[1] for p in parts]).argmax(1)
    np.testing.assert_array_equal(labels, split.labels[order])
    rest = Batches(small_data, recipe, 1, 3)
    assert len(rest) == 1
    np.testing.assert_array_equal(rest[0][0], parts[3][0])


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="TensorFlow's alone")
def test_fit_reads_a_dataset_that_does_not_tune_itself(small_data) -> None:
    """Tuning ends late, and `fit` waits for it; without its length `fit` makes a step too many."""
    batches = Batches(small_data, SHORT, 0, 1)
    dataset = read_ahead(batches)
    assert dataset.options().autotune.enabled is False
    assert dataset.cardinality() == len(batches) == STEPS - 1
    for (images, shares), (same, theirs) in zip(dataset, batches, strict=True):
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(shares, theirs)


@pytest.mark.parametrize(
    "fields",
    [
        {"flip": True},
        {"translate": 3},
        {"rotate": 20.0},
        {"erase": 0.7},
        {"cutout": 8},
        {"translate": 2, "cutmix": 0.5, "augment_classes": (0, 6)},
        {"cutmix": 1.0},
        {"flip": True, "translate": 2, "erase": 0.5, "cutout": 5, "cutmix": 0.5},
        {},
    ],
)
def test_augmentation_is_pytorchs(fields: dict) -> None:
    recipe = Recipe(**fields, seed=3)
    images = np.random.default_rng(0).integers(0, 256, (200, 28, 28), dtype=np.uint8)
    labels, before = np.arange(200) % 10, images.copy()
    mirrored = mirrored_in(0, 200, 3) if recipe.flip else None
    for step in (0, 7):
        got, shares = in_numpy.augment(images, labels, recipe, step, mirrored, 10)
        wanted, theirs = in_torch.augment(
            torch.from_numpy(images),
            torch.from_numpy(labels),
            recipe,
            step,
            None if mirrored is None else torch.from_numpy(mirrored),
            CLASS_NAMES,
        )
        assert (got.dtype, shares.dtype) == (np.uint8, np.float32)
        if theirs.ndim == 1:
            theirs = torch.nn.functional.one_hot(theirs, 10).float()
        np.testing.assert_allclose(shares, theirs.numpy(), atol=1e-7)
        off = np.abs(got.astype(int) - wanted.numpy().astype(int))
        assert off.max() <= (1 if recipe.rotate else 0)
        assert (off > 0).mean() < 0.005
        assert fields == {} or (got != images).any()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "resnet"}, "model is 'resnet'"),
        ({"model": "strided_cnn"}, "model is 'strided_cnn'"),
        ({"optimizer": "muon"}, "optimizer is 'muon'"),
        ({"precision": "mixed"}, "precision is 'mixed'"),
        ({"ema_decay": 0.9}, "ema_decay is 0.9"),
        ({"photo": 0.5}, "photo is 0.5"),
        ({"outliers": 0.1}, "outliers is 0.1"),
    ],
)
def test_what_keras_cannot_do_is_refused_by_name(
    small_data, tmp_path, fields: dict, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        go(Recipe(**fields), small_data, tmp_path)
    assert list(tmp_path.iterdir()) == []


# -- the same records ------------------------------------------------------------------------------


def test_same_seed_same_bits_other_seed_other_bits(straight, small_data, tmp_path) -> None:
    again = go(SHORT, small_data, tmp_path / "again")
    assert content(again) == content(straight)
    assert timeless(again) == timeless(straight)
    other = go(SHORT.replace(seed=1), small_data, tmp_path / "other")
    assert content(other) != content(straight)
    history = straight.history
    assert [record.step for record in history] == [STEPS, 2 * STEPS]
    assert all(record.images_per_second > 0 and record.seconds > 0 for record in history)
    assert history[1].val_loss < history[0].val_loss


def test_what_fit_sets_up_is_counted(small_data, tmp_path, monkeypatch) -> None:
    def slowly(batches: Batches) -> object:
        time.sleep(0.5)
        return read_ahead(batches)

    monkeypatch.setattr(train_module, "read_ahead", slowly)
    run = go(SHORT, small_data, tmp_path)
    assert all(record.seconds > 0.5 for record in run.history)
    assert all(record.images_per_second < 240 / 0.5 for record in run.history)


def test_a_stopped_and_resumed_run_ends_in_the_same_bits(straight, small_data, tmp_path) -> None:
    """At the start, inside an epoch, between epochs and inside the next; with dropout and Adam."""
    stops = 0, 3, 2, 2
    for turn, stop in enumerate(stops):
        run = go(SHORT, small_data, tmp_path, stop=stop, resume=turn > 0)
    assert run.checkpoints.newest()[0].state["step"] == sum(stops)
    run = go(SHORT, small_data, tmp_path, resume=True)
    assert content(run) == content(straight)
    assert timeless(run) == timeless(straight)
    films = [(one.path / "film.safetensors").read_bytes() for one in (run, straight)]
    assert films[0] == films[1]
    film = read_film(run.path / "film.safetensors", run.fingerprint())
    assert film
    assert film.filters.shape[2:] == (3, 3), "in PyTorch's layout"


def test_a_rich_run_resumes_exactly(small_data, tmp_path) -> None:
    whole = go(RICH, small_data, tmp_path / "whole")
    go(RICH, small_data, tmp_path / "parts", stop=6)
    run = go(RICH, small_data, tmp_path / "parts", resume=True)
    assert content(run) == content(whole)
    assert timeless(run) == timeless(whole)


def test_a_long_epoch_is_saved_on_the_way(straight, small_data, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    seen, original = [], KerasState.save
    monkeypatch.setattr(
        KerasState, "save", lambda self, run: (seen.append(self.step), original(self, run))
    )
    run = go(SHORT, small_data, tmp_path)
    assert seen == list(range(2 * STEPS + 1))
    assert content(run) == content(straight), "saving changes nothing"


def test_a_checkpoint_inside_an_epoch_comes_after_more_than_five_minutes(
    small_data, tmp_path, monkeypatch
) -> None:
    """By a clock that moves on by 100 s whenever it is asked, as it is once a step and a save."""
    clock = SimpleNamespace(monotonic=itertools.count(0, 100).__next__, perf_counter=perf_counter)
    monkeypatch.setattr(train_module, "time", clock)
    seen, original = [], KerasState.save
    monkeypatch.setattr(
        KerasState, "save", lambda self, run: (seen.append(self.step), original(self, run))
    )
    go(SHORT.replace(epochs=1), small_data, tmp_path)
    assert seen == [0, 4, 5]


def test_hopeless_training_ends_as_diverged_with_good_checkpoints(small_data, tmp_path) -> None:
    with pytest.raises(DivergedError, match="smaller --lr"):
        go(SHORT.replace(learning_rate=1e30), small_data, tmp_path)
    found, _, _ = Run(tmp_path).checkpoints.newest()
    assert all(np.isfinite(array).all() for array in found.model.values())
    rolled = [e["rollbacks"] for e in Run(tmp_path).events() if e["event"] == "rolled back"]
    assert rolled == [1, 2, 3]


def test_a_loss_that_no_history_could_hold_is_no_loss(small_data, monkeypatch) -> None:
    split = small_data.validation
    far = np.zeros((len(split), 10), np.float32)
    far[:, 0] = 1e32
    monkeypatch.setattr(train_module, "predict", lambda model, images: far)
    with pytest.raises(NotFiniteError, match=r"validation loss .*e\+31"):
        train_module.validate(None, split)  # pyright: ignore[reportArgumentType]


def test_a_roll_back_quarters_the_rate_and_goes_on(small_data, tmp_path, monkeypatch) -> None:
    fail_at, original = [7], train_module.Recorder.on_train_batch_end

    def failing(self, batch: int, logs: dict) -> None:
        if fail_at and self._state.step + 1 == fail_at[0]:
            fail_at.pop()
            logs = {**logs, "loss": float("nan")}
        original(self, batch, logs)

    monkeypatch.setattr(train_module.Recorder, "on_train_batch_end", failing)
    run = go(SHORT, small_data, tmp_path)
    rate = SHORT.learning_rate
    assert [record.learning_rate for record in run.history] == [rate, rate / 4]
    (event,) = [e for e in run.events() if e["event"] == "rolled back"]
    assert (event["step"], event["to"]) == (7, 5)


def test_a_signal_behind_a_step_that_ruined_the_weights_rolls_back_first(
    small_data, tmp_path, monkeypatch
) -> None:
    ruined, original = [True], KerasState.save

    def save(self, run: Run) -> None:
        if self.step % STEPS and ruined:
            ruined.clear()
            raise NotFiniteError("a weight is not finite")
        original(self, run)

    monkeypatch.setattr(KerasState, "save", save)
    run = train("keras", SHORT, small_data, tmp_path, stop=STEPS + 3)
    assert not ruined
    (event,) = [e for e in run.events() if e["event"] == "rolled back"]
    assert event["to"] == STEPS


def test_early_stopping_and_extension(small_data, tmp_path) -> None:
    recipe = SHORT.replace(epochs=30, early_stopping=1, learning_rate=0.02, dropout=0.0)
    run = Run(tmp_path)
    arguments = (small_data, run, Interruption(), Progress(quiet=True))
    train = KerasFramework("cpu", None, False).train
    assert train(recipe, *arguments).status == "stopped early"
    count = len(run.history)
    assert count < 30
    longer = recipe.replace(early_stopping=0, epochs=count + 1)
    assert train(longer, *arguments, resume=True).status == "finished"
    assert len(run.history) == count + 1


@pytest.mark.parametrize("fault", ["empty", "missing", "weights"])
def test_a_checkpoint_that_hashes_right_but_does_not_fit_is_refused(
    straight, small_data, tmp_path, fault: str
) -> None:
    found, _, _ = straight.checkpoints.newest()
    model, rest = dict(found.model), dict(found.optimizer)
    if fault == "empty":
        rest = {}
    elif fault == "missing":
        del rest["conv1.weight/exp_avg_sq"]
    else:
        model["conv1.weight"] = np.zeros((32, 1, 5, 5), np.float32)
    checkpoint.save(tmp_path / "checkpoints", model, rest, found.state)
    with pytest.raises(CheckpointError, match=r"conv1\.\w+"):
        go(SHORT, small_data, tmp_path, resume=True)


def test_a_resumed_run_remembers_its_roll_backs(small_data, tmp_path, monkeypatch) -> None:
    """Steps 7 and 12 fail, once each; between them it is stopped after step 7 and goes on."""
    fails, rates = [7, 12], []
    end_of_batch = train_module.Recorder.on_train_batch_end

    def failing(self, batch: int, logs: dict) -> None:
        step = self._state.step + 1
        rates.append((step, float(self.model.optimizer.learning_rate)))
        if fails and step == fails[0]:
            fails.pop(0)
            logs = {**logs, "loss": float("nan")}
        end_of_batch(self, batch, logs)

    monkeypatch.setattr(train_module.Recorder, "on_train_batch_end", failing)
    recipe = SHORT.replace(epochs=3, width=4)
    run = go(recipe, small_data, tmp_path, stop=9)
    found = run.checkpoints.newest()[0].state
    assert (found["step"], found["rollbacks"]) == (7, 1)
    go(recipe, small_data, tmp_path, resume=True)
    assert run.checkpoints.newest()[0].state["rollbacks"] == 2
    full = recipe.learning_rate
    wanted = [(step, full) for step in range(1, 8)]
    wanted += [(step, full / 4) for step in range(6, 13)]
    wanted += [(step, full / 16) for step in range(11, 16)]
    assert rates == [(step, pytest.approx(rate)) for step, rate in wanted]
    assert [record.learning_rate for record in run.history] == [full, full / 4, full / 16]


def test_threads_that_tensorflow_cannot_change_to_are_told(monkeypatch) -> None:
    """How many cores are free differs from one training of a notebook to the next."""
    import tensorflow as tf

    from fashion_cnn.on_keras.device import _configure_tensorflow

    def fixed(_: int) -> None:
        raise RuntimeError("Intra op parallelism cannot be modified after initialization.")

    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", fixed)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 2)
    with pytest.warns(UserWarning, match="runs in this process with 2 threads and cannot change"):
        assert _configure_tensorflow("cpu", 1, deterministic=False) == "cpu"
