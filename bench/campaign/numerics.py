"""Numbers that are not finite, or nearly so, put anywhere into a training."""

import itertools
import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.trainings import RECIPES, start, unpainted, wait, words
from fashion_cnn.on_torch import train
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.run.folder import Run

_VALUES = (math.nan, math.inf, -math.inf, 3e38)
_STEPS = 9  # of the shortest training
_DIVERGED = 5


def _trial(trial: Trial) -> None:
    """Once, or again and again from some step on; what comes of it is gone on with.

    A run that was given up may diverge again, for its optimiser has kept what was put there. What
    it had learned before is then to be had.
    """
    draw, run = trial.draw, trial.room / "run"
    name, place = draw.choice([*RECIPES]), [*_PLACES][trial.number % len(_PLACES)]
    value, at, always = draw.choice(_VALUES), draw.randrange(_STEPS), draw.random() < 0.3

    def spoil() -> None:
        _spoil(place, value, random.Random(draw.random()), lambda n: n == at or (always and n > at))

    code = wait(start(words(trial, name, run), spoil))
    print(name, place, value, at, always, code)
    assert code in (0, _DIVERGED), code
    _must_be_finite(run)
    again = wait(start(words(trial, name, run), unpainted))
    assert again in (0, code), f"going on ended with {again}"
    _must_be_finite(run)
    if again and Run(run).history:
        evaluate = ["evaluate", str(run), "--data-dir", str(trial.stage / "data")]
        again = wait(start(evaluate, unpainted))
        assert again == 0, f"evaluating ended with {again}"
    assert again or Run(run).results.are_whole()


def _must_be_finite(run: Path) -> None:
    checkpoints = [*run.glob("checkpoints/step-*/*.safetensors")]
    assert checkpoints
    for path in checkpoints:
        for tensor, values in safetensors.numpy.load_file(path).items():
            assert np.isfinite(values).all(), f"{path}: {tensor}"
    for record in Run(run).history:
        assert math.isfinite(record.train_loss), record
        assert math.isfinite(record.val_loss), record
    if (metrics := run / "metrics.json").exists():
        json.loads(metrics.read_text(), parse_constant=_no_number)


def _no_number(word: str) -> None:
    raise AssertionError(f"metrics.json has {word}")


# -- where they are put ----------------------------------------------------------------------------

_Put = Callable[[TorchState, float, random.Random], None]


def _spoil(place: str, value: float, draw: random.Random, now: Callable[[int], bool]) -> None:
    """Let the training of this process meet a value at the steps of which `now` is true."""
    step, loss, calls = train.train_step, train.cross_entropy, itertools.count()
    spoilt = False

    def spoilt_step(state: TorchState, images: Tensor, labels: Tensor, rate: float) -> tuple:
        nonlocal spoilt
        spoilt = now(next(calls))
        if spoilt:
            _PLACES[place](state, value, draw)
        return step(state, images, labels, rate)

    def spoilt_loss(*given: object) -> Tensor:
        found = loss(*given)  # type: ignore[arg-type]
        return found * value if spoilt and place == "loss" else found

    train.train_step, train.cross_entropy = spoilt_step, spoilt_loss


def _put(tensors: list[Tensor], value: float, draw: random.Random) -> None:
    """Into one element of one of some tensors, if there are any."""
    if numbers := [tensor for tensor in tensors if tensor.is_floating_point()]:
        tensor = draw.choice(numbers)
        with torch.no_grad():
            tensor[tuple(draw.randrange(side) for side in tensor.shape)] = value


def _gradient(state: TorchState, value: float, draw: random.Random) -> None:
    parameter = draw.choice([one for one in state.model.parameters() if one.requires_grad])

    def altered(gradient: Tensor) -> Tensor:
        hook.remove()
        return gradient * value

    hook = parameter.register_hook(altered)


_PLACES: dict[str, _Put] = {
    "loss": lambda state, value, draw: None,
    "gradient": _gradient,
    "weight": lambda state, value, draw: _put([*state.model.parameters()], value, draw),
    "statistics": lambda state, value, draw: _put([*state.model.buffers()], value, draw),
    "average": lambda state, value, draw: _put([*state.answering.parameters()], value, draw),
    "optimiser": lambda state, value, draw: _put(
        [
            tensor
            for parameter in state.model.parameters()
            for _, tensor in sorted(state.optimizer.state.get(parameter, {}).items())
            if isinstance(tensor, Tensor)
        ],
        value,
        draw,
    ),
}


NUMERICS = Experiment(
    "numerics",
    "NaN, an infinity or a number near the largest in the loss, a gradient, a weight, a statistic, "
    "the average or the optimiser, once or always: exit code 0 or 5, every checkpoint is finite, "
    "and the run can be gone on with, or what it learned before evaluated",
    400,
    _trial,
    240,
)
