"""Which point to try next, and which trial to give up: Optuna's samplers and pruners by name."""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from fashion_cnn.data.randomness import seed_of

_SAMPLERS: dict[str, Any] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
}
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": lambda epochs: optuna.pruners.MedianPruner(),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(1, epochs),
    "none": lambda epochs: optuna.pruners.NopPruner(),
}
"""What gives up a trial by its validation figures so far, for trials of so many epochs: "median"
those worse than the median of five or more at that epoch."""


def sampler_named(name: str, seed: int) -> BaseSampler:
    """A sampler whose draws are a function of the seed, the trial's number and earlier results.

    It is made anew for each trial: one with a plain seed would draw the same points again in every
    worker and after every stop.

    Args: name: "tpe" (Parzen estimators) or "random".
    """
    kind = _SAMPLERS[name]

    class Seeded(kind):
        def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
            super().__init__(seed=seed_of(seed, "search", trial.number) % 2**32)
            super().before_trial(study, trial)

    return Seeded()
