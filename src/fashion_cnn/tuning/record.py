"""What a search found, in numbers that need no Optuna to be read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fashion_cnn.process.machine import FRAMEWORKS
from fashion_cnn.run.folder import Run
from fashion_cnn.tuning.space import Search

_DONE = (TrialState.COMPLETE,)
_FEWEST = 4  # different values, from which importances are told; two fit any forest


def describe_search(
    search: Search, study: optuna.Study, folder: Path, arguments: Sequence[str]
) -> dict[str, Any]:
    """What `search.json` holds: the search, a row a trial, and the best one with its command.

    A trial that was stopped or killed and went on is one row. "state" is "complete", "pruned",
    "diverged", "failed", "running" or "waiting".

    Args: folder: of the trials' runs; arguments: that every training was given.
    """
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("retry_of") for trial in trials}
    rows = [
        _row(trial)
        for trial in trials
        if trial.number not in again and not trial.user_attrs.get("surplus")
    ]
    sign = -1 if search.objective == "accuracy" else 1
    done = [row for row in rows if row["state"] == "complete"]
    best = min(done, key=lambda row: sign * row["value"], default=None)
    return {
        "name": search.name,
        "recipe": search.recipe.to_dict(),
        "given": dict(search.given),
        "space": [str(dimension) for dimension in search.space],
        "fields": [dimension.field for dimension in search.space],
        "objective": search.objective,
        "framework": search.framework or FRAMEWORKS[0],
        "sampler": search.sampler,
        "pruner": search.pruner,
        "seed": search.recipe.seed,
        "environment": _environment(folder, best),
        "trials": rows,
        "importances": importances(study, search.recipe.seed),
        "best": best
        and {
            "trial": best["trial"],
            "value": best["value"],
            "command": _command(search, best["params"], arguments),
            "recipe": dataclasses.replace(search.recipe, **best["params"]).to_dict(),
        },
    }


def _command(search: Search, params: dict[str, Any], arguments: Sequence[str]) -> list[str]:
    name = f"{search.name}-best"
    return ["fashion-cnn", *search.command(params), *arguments, "--name", name]


def _row(trial: FrozenTrial) -> dict[str, Any]:
    names = {TrialState.FAIL: "failed"}
    state = names.get(trial.state, trial.state.name.lower())
    return {
        "trial": trial.number,
        "state": "diverged" if trial.user_attrs.get("diverged") else state,
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "epochs": trial.last_step or 0,
        "validation": [trial.intermediate_values[step] for step in trial.intermediate_values],
        "params": trial.params,
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        "retries": trial.user_attrs.get("retries", 0),
        "folder": trial.user_attrs.get("folder"),
        "command": trial.user_attrs.get("command"),
    }


def importances(study: optuna.Study, seed: int) -> dict[str, float]:
    """Each field's share of the variance of the objective; none where that is undecided.

    Args: seed: of the random forest that tells them (fANOVA).
    """
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=_DONE)}
    if len(values) < _FEWEST:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed % 2**32)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _environment(folder: Path, best: dict[str, Any] | None) -> dict[str, Any]:
    """Versions and hardware of the best trial; another worker may have had others."""
    if best is None or best["folder"] is None:
        return {}
    run = Run(folder / "trials" / best["folder"])
    if not run.exists():  # trained by a worker elsewhere
        return {}
    return {name: value for name, value in run.environment.items() if name != "command"}
