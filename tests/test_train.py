"""The training loop: learning, determinism, resume, divergence, early stopping."""

import functools
import itertools
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fashion_cnn.errors import CheckpointError, DivergedError, NotFiniteError, UsageError
from fashion_cnn.on_torch import train as train_module
from fashion_cnn.on_torch.framework import TorchFramework
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.on_torch.train import train_step
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress
from short import content, timeless, train

CPU = torch.device("cpu")
SHORT = Recipe(epochs=3, batch_size=50, learning_rate=3e-3)  # 240 images: 4 full batches, 1 of 40
STEPS = 5
RICH = SHORT.replace(
    optimizer="adamw",
    weight_decay=0.01,
    schedule="one-cycle",
    label_smoothing=0.1,
    class_weights=(1.0,) * 6 + (2.0,) + (1.0,) * 3,
    ema_decay=0.9,
    flip=True,
    translate=2,
    rotate=10.0,
    erase=0.5,
)


RESIDUAL = SHORT.replace(
    model="resnet",
    width=4,
    precision="mixed",
    optimizer="muon",
    weight_decay=0.1,
    schedule="triangle",
    ema_decay=0.8,
    flip=True,
    cutout=6,
    cutmix=0.5,
)
RECIPES = {
    "short": SHORT,
    "sgd": SHORT.replace(optimizer="sgd", learning_rate=0.05),
    "plain sgd": SHORT.replace(optimizer="sgd", learning_rate=0.05, momentum=0.0),
    "rich": RICH,
    "residual": RESIDUAL,
    **{
        name: catalog.named(name).replace(epochs=3, batch_size=50, width=8)
        for name in catalog.RECIPES
        if name != "baseline"
    },
}


go = functools.partial(train, "pytorch")


def film_bytes(run: Run) -> bytes:
    return (run.path / "film.safetensors").read_bytes()


@pytest.fixture(scope="module")
def straight(small_data, tmp_path_factory) -> dict[str, Run]:
    """Each recipe trained without a stop."""
    base = tmp_path_factory.mktemp("straight")
    return {name: go(recipe, small_data, base / name) for name, recipe in RECIPES.items()}


def test_a_batch_can_be_learnt_by_heart(small_data) -> None:
    recipe = Recipe(dropout=0.0)
    state = TorchState.start(recipe, small_data, CPU)
    images = torch.from_numpy(small_data.training.images[:64])
    labels = torch.from_numpy(small_data.training.labels[:64])
    for state.step in range(60):
        loss, correct = train_step(state, images, labels, 1e-3)
    assert correct == 64
    assert loss < 0.05


def test_training_learns_and_records_it(straight) -> None:
    history = straight["short"].history
    assert [record.epoch for record in history] == [1, 2, 3]
    assert [record.step for record in history] == [5, 10, 15]
    assert history[-1].val_loss < history[0].val_loss
    assert history[-1].val_accuracy > 0.5
    assert all(record.images_per_second > 0 and record.seconds > 0 for record in history)


def test_same_seed_same_bits_other_seed_other_bits(straight, small_data, tmp_path) -> None:
    again = go(SHORT, small_data, tmp_path / "again")
    assert content(again) == content(straight["short"])
    assert timeless(again) == timeless(straight["short"])
    assert film_bytes(again) == film_bytes(straight["short"])
    other = go(SHORT.replace(seed=1), small_data, tmp_path / "other")
    assert content(other) != content(straight["short"])


@pytest.mark.parametrize(
    ("name", "stops"),
    [("short", [stop]) for stop in (0, 1, 4, 5, 7, 14)] + [(name, [3, 2, 6]) for name in RECIPES],
)
def test_a_stopped_and_resumed_run_ends_in_the_same_bits(
    straight, small_data, tmp_path, name: str, stops: list[int]
) -> None:
    recipe = RECIPES[name]
    for turn, stop in enumerate(stops):
        run = go(recipe, small_data, tmp_path, stop=stop, resume=turn > 0)
    run = go(recipe, small_data, tmp_path, resume=True)
    assert content(run) == content(straight[name])
    assert content(run, "best") == content(straight[name], "best")
    assert timeless(run) == timeless(straight[name])
    assert film_bytes(run) == film_bytes(straight[name])


def test_resuming_a_finished_run_changes_nothing(small_data, tmp_path) -> None:
    run = go(SHORT, small_data, tmp_path)
    before = content(run), run.history
    go(SHORT, small_data, tmp_path, resume=True)
    assert (content(run), run.history) == before


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
def test_an_extended_run_is_a_longer_run(small_data, tmp_path, schedule: str) -> None:
    recipe = SHORT.replace(schedule=schedule, schedule_epochs=1, schedule_factor=0.5)
    go(recipe.replace(epochs=2), small_data, tmp_path / "two")
    extended = go(recipe.replace(epochs=4), small_data, tmp_path / "two", resume=True)
    four = go(recipe.replace(epochs=4), small_data, tmp_path / "four")
    assert content(extended) == content(four)
    assert timeless(extended) == timeless(four)


def test_a_checkpoint_of_another_recipe_is_refused(small_data, tmp_path) -> None:
    go(SHORT, small_data, tmp_path)
    for change in ({"seed": 1}, {"learning_rate": 1e-4}, {"dropout": 0.1}):
        with pytest.raises(CheckpointError, match="of another recipe"):
            go(SHORT.replace(**change), small_data, tmp_path, resume=True)


def test_a_tampered_checkpoint_that_hashes_right_is_refused(small_data, tmp_path) -> None:
    run = go(SHORT.replace(epochs=1), small_data, tmp_path)
    newest = run.checkpoints.newest()[0]
    bad = {**newest.model, "conv1.weight": np.zeros((32, 1, 5, 5), np.float32)}
    for path in (run.path / "checkpoints").iterdir():
        checkpoint.remove(path)
    checkpoint.save(run.path / "checkpoints", bad, newest.optimizer, newest.state)
    with pytest.raises(CheckpointError, match="conv1.weight is float32"):
        go(SHORT.replace(epochs=1), small_data, tmp_path, resume=True)


@pytest.mark.parametrize("fault", ["empty", "missing", "strange"])
def test_an_optimiser_state_that_hashes_right_but_does_not_fit_is_refused(
    small_data, tmp_path, fault: str
) -> None:
    run = go(SHORT.replace(epochs=1), small_data, tmp_path)
    newest = run.checkpoints.newest()[0]
    state = {} if fault == "empty" else dict(newest.optimizer)
    if fault == "missing":
        del state["conv1.weight/exp_avg_sq"]
    if fault == "strange":
        state["conv9.weight/exp_avg"] = np.zeros(3, np.float32)
    for path in (run.path / "checkpoints").iterdir():
        checkpoint.remove(path)
    checkpoint.save(run.path / "checkpoints", newest.model, state, newest.state)
    with pytest.raises(CheckpointError, match=r"tensor 'conv\d\.\w+/exp_avg"):
        go(SHORT.replace(epochs=1), small_data, tmp_path, resume=True)


def test_a_long_epoch_is_saved_on_the_way(small_data, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    seen = []
    original = TorchState.save
    monkeypatch.setattr(
        TorchState, "save", lambda self, run: (seen.append(self.step), original(self, run))
    )
    go(SHORT.replace(epochs=1), small_data, tmp_path)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_checkpoint_inside_an_epoch_comes_after_more_than_five_minutes(
    small_data, tmp_path, monkeypatch
) -> None:
    """By a clock that moves on by 100 s whenever it is asked, as it is once a step and a save."""
    clock = SimpleNamespace(monotonic=itertools.count(0, 100).__next__, perf_counter=perf_counter)
    monkeypatch.setattr(train_module, "time", clock)
    seen, original = [], TorchState.save
    monkeypatch.setattr(
        TorchState, "save", lambda self, run: (seen.append(self.step), original(self, run))
    )
    go(SHORT.replace(epochs=1), small_data, tmp_path)
    assert seen == [0, 4, 5]


def test_resuming_nothing_is_an_error(small_data, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        go(SHORT, small_data, tmp_path, resume=True)


def test_one_bad_step_rolls_back_to_a_quarter_of_the_rate(
    small_data, tmp_path, monkeypatch
) -> None:
    rates, fail_at = [], [7]

    def failing(state, images, labels, rate):
        rates.append((state.step, rate))
        if fail_at and state.step == fail_at[0]:
            fail_at.pop()
            raise NotFiniteError("loss nan")
        return train_step(state, images, labels, rate)

    monkeypatch.setattr(train_module, "train_step", failing)
    run = go(SHORT, small_data, tmp_path)
    full, less = SHORT.learning_rate, SHORT.learning_rate / 4
    assert rates[7:9] == [(7, full), (5, less)], "back to the end of the first epoch"
    assert [record.learning_rate for record in run.history] == [full, less, less]
    assert [entry["event"] for entry in run.events()].count("rolled back") == 1


def test_hopeless_training_ends_as_diverged_with_good_checkpoints(small_data, tmp_path) -> None:
    with pytest.raises(DivergedError, match="smaller --lr"):
        go(SHORT.replace(learning_rate=1e30), small_data, tmp_path)
    found, _, _ = Run(tmp_path).checkpoints.newest()
    assert all(np.isfinite(array).all() for array in found.model.values())
    rolled = [e["rollbacks"] for e in Run(tmp_path).events() if e["event"] == "rolled back"]
    assert rolled == [1, 2, 3]


@pytest.mark.parametrize("where", ["weight", "gradient", "loss"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nothing_changes_in_a_step_that_is_not_finite(small_data, where: str, bad: float) -> None:
    recipe = SHORT.replace(class_weights=(1e38,) * 10) if where == "loss" else SHORT
    state = TorchState.start(recipe, small_data, CPU)
    images = torch.from_numpy(small_data.training.images[:50])
    labels = torch.from_numpy(small_data.training.labels[:50])
    if where == "weight":
        state.model.output.weight.data[0, 0] = bad
    elif where == "gradient":
        state.model.conv1.weight.register_hook(lambda gradient: gradient * bad)
    else:
        state.model.output.bias.data[0] = 1e4  # the weighted sum overflows float32
    before = {k: v.clone() for k, v in state.model.state_dict().items()}
    with pytest.raises(NotFiniteError):
        train_step(state, images, labels, 1e-3)
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor.nan_to_num(), before[name].nan_to_num()), name


def test_a_loss_that_no_history_could_hold_is_no_loss(small_data) -> None:
    recipe = SHORT.replace(batch_size=50)
    state = TorchState.start(recipe, small_data, CPU)
    state.model.output.bias.data[0] = 1e32
    images = torch.from_numpy(small_data.training.images[:50])
    labels = torch.from_numpy(small_data.training.labels[:50])
    with pytest.raises(NotFiniteError, match="loss .*e\\+3"):
        train_step(state, images, labels, 1e-3)
    with pytest.raises(NotFiniteError, match="validation loss .*e\\+3"):
        train_module.validate(state.model, small_data.validation)


def test_early_stopping_ends_at_the_plateau_and_stays_ended(small_data, tmp_path) -> None:
    recipe = SHORT.replace(epochs=40, early_stopping=2, learning_rate=0.02, dropout=0.0)
    run = Run(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    arguments = (small_data, run, Interruption(), Progress(quiet=True))
    train = TorchFramework("cpu", None, False).train
    assert train(recipe, *arguments).status == "stopped early"
    history = run.history
    assert len(history) < 40
    best = min(range(len(history)), key=lambda i: history[i].val_loss)
    assert len(history) - 1 - best == 2
    assert train(recipe, *arguments, resume=True).status == "stopped early"
    assert run.history == history
    longer = recipe.replace(early_stopping=0, epochs=len(history) + 1)
    assert train(longer, *arguments, resume=True).status == "finished"


def test_label_smoothing_and_class_weights_act_on_the_loss(small_data) -> None:
    def loss(**fields) -> float:
        recipe = SHORT.replace(dropout=0.0, **fields)
        state = TorchState.start(recipe, small_data, CPU)
        images = torch.from_numpy(small_data.training.images[:50])
        labels = torch.from_numpy(small_data.training.labels[:50])
        with torch.no_grad():
            logits = state.model.eval()(images)
        state.model.train()
        got, _ = train_step(state, images, labels, 1e-3)
        log_p = logits.double().log_softmax(1)
        weights = torch.tensor(fields.get("class_weights", (1.0,) * 10), dtype=torch.float64)
        smoothing = fields.get("label_smoothing", 0.0)
        right = -(log_p.gather(1, labels[:, None])[:, 0] * weights[labels])
        spread = -(log_p * weights).sum(1) / 10
        wanted = ((1 - smoothing) * right + smoothing * spread).sum() / weights[labels].sum()
        assert got == pytest.approx(wanted.item(), rel=1e-5)
        return got

    heavy = (1.0,) * 6 + (5.0,) + (1.0,) * 3
    assert len({loss(), loss(label_smoothing=0.2), loss(class_weights=heavy)}) == 3


def test_shares_of_one_class_are_that_label(small_data) -> None:
    recipe = SHORT.replace(dropout=0.0, class_weights=(1.0,) * 6 + (5.0,) + (3.0,) * 3)
    images = torch.from_numpy(small_data.training.images[:50])
    labels = torch.from_numpy(small_data.training.labels[:50])
    shares = torch.nn.functional.one_hot(labels, 10).float()
    results = []
    for given in (labels, shares):
        state = TorchState.start(recipe, small_data, CPU)
        results.append(train_step(state, images, given, 1e-3))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    assert results[0][1] == results[1][1]


def test_weight_decay_and_dropout_act(straight, small_data, tmp_path) -> None:
    def norm(run: Run) -> float:
        return float(np.linalg.norm(run.checkpoints.load("final").model["hidden.weight"]))

    decayed = go(SHORT.replace(optimizer="adamw", weight_decay=5.0), small_data, tmp_path / "wd")
    assert norm(decayed) < 0.95 * norm(straight["short"])
    undropped = go(SHORT.replace(dropout=0.0), small_data, tmp_path / "p0")
    assert undropped.history[-1].train_loss < straight["short"].history[-1].train_loss


def test_the_average_answers_and_the_weights_train_on(small_data, tmp_path) -> None:
    plain = go(SHORT, small_data, tmp_path / "plain").checkpoints.load("final")
    averaged = go(SHORT.replace(ema_decay=0.9), small_data, tmp_path / "ema")
    found = averaged.checkpoints.load("final")
    name = "conv2.weight"
    np.testing.assert_array_equal(found.optimizer[f"{name}/weight"], plain.model[name])
    assert (found.model[name] != plain.model[name]).any()
    assert averaged.history[-1].train_loss == Run(tmp_path / "plain").history[-1].train_loss
    assert averaged.history[-1].val_loss != Run(tmp_path / "plain").history[-1].val_loss


def test_a_batch_larger_than_the_data_is_refused(small_data, tmp_path) -> None:
    with pytest.raises(UsageError, match="batch_size is 500, more than the 240"):
        go(SHORT.replace(batch_size=500), small_data, tmp_path)


def test_the_average_has_batch_statistics_of_its_own(straight) -> None:
    found = straight["residual"].checkpoints.load("final")
    name = "stages.1.running_var"
    ours, theirs = found.model[name], found.optimizer[f"{name}/weight"]
    assert (ours != theirs).all()
    assert (ours != 1).all()
    np.testing.assert_array_equal(found.model["whitening"], found.optimizer["whitening/weight"])
