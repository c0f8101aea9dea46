"""Which point to try next, and which trial to give up: Optuna's samplers and pruners by name."""

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from fashion_cnn.data.randomness import seed_of

_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
_PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": lambda epochs: optuna.pruners.MedianPruner(),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(1, epochs),
    "halving": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(1),
    "none": lambda epochs: optuna.pruners.NopPruner(),
}


def sampler_named(name: str, seed: int) -> BaseSampler:
    """A sampler whose draws are a function of the seed, the trial's number and earlier results.

    Args: name: "tpe" (Parzen estimators), "gp" (a Gaussian process) or "random".
    """
    return _Seeded(_SAMPLERS[name], seed)


def pruner_named(name: str, epochs: int) -> BasePruner:
    """A pruner, which gives up a trial by its validation figures so far.

    Args:
        name: "median" (worse than the median of five or more at that epoch), "hyperband",
            "halving" or "none".
        epochs: of a trial that is not given up.
    """
    return _PRUNERS[name](epochs)


class _Seeded(BaseSampler):
    """Another sampler, made anew for each trial.

    One with a plain seed would draw the same points again in every worker and after every stop.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make, self._seed = make, seed
        self._sampler = make(0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seed = seed_of(self._seed, "search", trial.number) % 2**32
        self._sampler = self._make(seed)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)
