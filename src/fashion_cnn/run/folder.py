"""`Run`: one training run on disk."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.process.machine import FRAMEWORKS
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.checkpoint import Checkpoint
from fashion_cnn.run.files import read_json, to_json, write_atomically
from fashion_cnn.run.history import (
    EpochRecord,
    best_record,
    has_rows,
    history_from_rows,
    history_to_csv,
    read_history,
)
from fashion_cnn.run.lock import hold
from fashion_cnn.run.log import append_entry, read_entries, to_line
from fashion_cnn.run.predictions import Predictions, predictions_to_csv, read_predictions

_RECIPE = "recipe.json"
_ENVIRONMENT = "environment.json"
_SPLIT = "split.json"
_LOG = "log.jsonl"
_HISTORY = "history.csv"
_METRICS = "metrics.json"
_CALIBRATION = "calibration.json"
_PREDICTIONS = "predictions.csv"
_PAGE = "report.html"
_REPORT = "classification_report"
_CHECKPOINTS = "checkpoints"
_LOCK = ".lock"
_PLOTS = ("loss_*.png", "accuracy_*.png", "confusion_matrix*.png", "reliability.png")
_TABLES = ("confusion_matrix.csv", "errors.csv", "answers.csv")
_OTHERS = (*_TABLES, "model*.onnx", "export.json", "*.tfevents.*")
_ALL = (_RECIPE, _ENVIRONMENT, _SPLIT, _LOG, _PAGE, _HISTORY, _METRICS, _CALIBRATION, _PREDICTIONS)

_NEWEST_KEPT = 2


class Run:
    """The folder of one run; it may or may not exist yet.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Args: read_only: what writes does nothing; another process writes the same."""
        self.path = Path(path)
        self._read_only = read_only
        self._known: dict[str, Any] = {}  # what was read of files that only this run writes

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Run":
        """Open a folder that holds a run. Raises `UsageError` when it holds none."""
        run = cls(path)
        if not run.exists():
            raise UsageError(f"{path} holds no run: there is no {_RECIPE} in it")
        return run

    def exists(self) -> bool:
        """Whether the folder holds a run that has begun."""
        return (self.path / _RECIPE).is_file()

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder for this process; made if missing. Raises as `hold`."""
        return nullcontext() if self._read_only else hold(self.path / _LOCK)

    # -- what the run is --------------------------------------------------------------------------

    def prepare(self, *, overwrite: bool) -> None:
        """Make room for a new run in the locked folder.

        Raises:
            UsageError: it holds a run and `overwrite` is false, or files that are not a run's.
        """
        if self._read_only:
            return
        self.check_room(overwrite=overwrite)
        # The recipe goes first: a half-removed run is then no run any more.
        for path in sorted(self._own_files(), key=lambda path: path.name != _RECIPE):
            checkpoint.remove(path)
        self._known.clear()

    def check_room(self, *, overwrite: bool) -> None:
        """Raise the error that `prepare` would raise, and touch nothing."""
        if self._read_only or (overwrite and self.exists()):
            return
        if self.exists():
            raise UsageError(
                f"{self.path} already holds a run; continue it with --resume, replace it with "
                "--overwrite, or start another with --output FOLDER"
            )
        if not self.path.is_dir():
            return
        ours = self._own_files()
        strange = {path for path in self.path.iterdir() if path.name != _LOCK} - ours
        if not overwrite and not self._began_and_was_killed():
            strange |= ours
        if strange:
            raise UsageError(
                f"{self.path} holds no run, but other files ({min(strange).name}); "
                "name an empty or new folder with --output"
            )

    def _began_and_was_killed(self) -> bool:
        """Whether there is no more than a start leaves before it writes the recipe."""
        early = {_ENVIRONMENT, _SPLIT, _HISTORY, _CHECKPOINTS}
        names = {path.name for path in self._own_files() if not path.name.startswith(".")}
        steps = set(checkpoint.published_steps(self.path / _CHECKPOINTS))
        return names <= early and steps <= {0} and not has_rows(self.path / _HISTORY)

    def _own_files(self) -> set[Path]:
        patterns = (*_ALL, f"{_REPORT}.*", *_PLOTS, *_OTHERS, _CHECKPOINTS, ".*.tmp")
        return {path for pattern in patterns for path in self.path.glob(pattern)}

    def describe(self, environment: dict[str, Any], split: dict[str, Any]) -> None:
        """Write what the run runs on, and which images it uses."""
        self._write(_ENVIRONMENT, to_json(environment))
        self._write(_SPLIT, to_json(split))

    @property
    def recipe(self) -> Recipe:
        """The recipe. Raises `UsageError` if the file was altered beyond use."""
        return Recipe.from_dict(self._read(_RECIPE))

    def record_recipe(self, recipe: Recipe) -> None:
        """Write `recipe.json`, the mark of a run: there must be a checkpoint first."""
        self._write(_RECIPE, to_json(recipe.to_dict()))

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, hardware, device and threads. Raises `UsageError` if it is unusable."""
        found = self._read(_ENVIRONMENT)
        if not isinstance(found, dict) or found.get("framework") not in FRAMEWORKS:
            raise UsageError(f"{self.path / _ENVIRONMENT} names no framework")
        return found

    @property
    def split(self) -> dict[str, Any]:
        """How the images are divided, whether the test set is sealed. Raises as `environment`."""
        found = self._read(_SPLIT)
        if not isinstance(found, dict) or type(found.get("test_sealed")) is not bool:
            raise UsageError(f"{self.path / _SPLIT} does not say whether the test set is sealed")
        return found

    # -- what happens -----------------------------------------------------------------------------

    def log(self, event: str, **details: Any) -> None:
        """Append one JSON object to `log.jsonl`, durably."""
        if not self._read_only:
            append_entry(self.path / _LOG, event, details)

    def record_test_reading(self, **details: Any) -> int:
        """Write down that the test set is about to be opened, before it is; count it in."""
        self.log("test_set_opened", **details)
        return self.test_readings()

    def test_readings(self) -> int:
        """How often this run has opened the test set."""
        return sum(entry.get("event") == "test_set_opened" for entry in self.events())

    def events(self) -> list[dict[str, Any]]:
        """The entries of `log.jsonl`; a torn line is passed over."""
        return read_entries(self.path / _LOG)

    @property
    def history(self) -> list[EpochRecord]:
        """One record a finished epoch. Raises `UsageError` if the file was altered beyond use."""
        return read_history(self.path / _HISTORY)

    @property
    def answering(self) -> str:
        """The checkpoint that answers: what the recipe names, "final" before an epoch is done."""
        return self.recipe.answer if self.history else "final"

    def record_history(self, history: Sequence[EpochRecord]) -> None:
        """Write `history.csv`."""
        self._write(_HISTORY, history_to_csv(history).encode())

    def cut_back(self, step: int, history: Sequence[EpochRecord]) -> None:
        """Bring history and log to where a restored checkpoint stands; repairs a torn last line."""
        self.record_history(history)
        kept = [
            entry
            for entry in self.events()
            if entry.get("event") != "epoch" or entry.get("step") in range(step + 1)
        ]
        self._write(_LOG, b"".join(to_line(entry) for entry in kept))

    # -- checkpoints ------------------------------------------------------------------------------

    def save_checkpoint(
        self,
        model: checkpoint.Arrays,
        optimizer: checkpoint.Arrays,
        state: dict[str, Any],
        history: Sequence[EpochRecord],
    ) -> None:
        """Publish a checkpoint, let `best` follow the history, and prune what nothing needs.

        Raises: as `fashion_cnn.run.checkpoint.save`.
        """
        directory = self.path / _CHECKPOINTS
        if self._read_only:
            checkpoint.check_finite(model, optimizer)
            return
        state = {**state, "history": [dataclasses.asdict(record) for record in history]}
        checkpoint.save(directory, model, optimizer, state)
        self.link_best(history)
        # The previous checkpoint may have to step in, and with it the best epoch that it knew.
        steps = [step for step in checkpoint.published_steps(directory) if step <= state["step"]]
        bests = (best_record(history), best_record(history[:-1]))
        keep = {*steps[:_NEWEST_KEPT], *(best.step for best in bests if best)}
        checkpoint.prune(directory, keep | checkpoint.linked_steps(directory))

    def load_checkpoint(self, name: str) -> Checkpoint:
        """Open "best", "final" or "step-XXXXXXXX". Raises `CheckpointError` unless it verifies."""
        return checkpoint.load(self.path / _CHECKPOINTS / name)

    def newest_checkpoint(
        self,
        fingerprint: str | None = None,
        accept: Callable[[Checkpoint], None] = lambda found: None,
    ) -> tuple[Checkpoint, list[EpochRecord], list[str]]:
        """Find the newest checkpoint that verifies, as does the best one that it builds on.

        Args:
            fingerprint: of the recipe and the data; a checkpoint of another is rejected.
            accept: raises `CheckpointError` for a checkpoint that does not fit the caller.

        Returns:
            The checkpoint, its history, and a line on each newer one that was rejected.

        Raises:
            CheckpointError: there is none; the message names those rejected and why.
        """
        directory, rejected = self.path / _CHECKPOINTS, []
        for step in checkpoint.published_steps(directory):
            try:
                found = checkpoint.load(checkpoint.path_of(directory, step))
                if fingerprint is not None and found.state.get("run") != fingerprint:
                    raise CheckpointError(f"{found.path} is of another recipe, seed or data set")
                history = history_from_rows(found.state["history"])
                accept(found)
                if (best := best_record(history)) and best.step != step:
                    checkpoint.load(checkpoint.path_of(directory, best.step))
            except CheckpointError as error:
                rejected.append(f"step {step}: {error}")
            except (KeyError, TypeError, ValueError) as error:
                rejected.append(f"step {step}: state.json lacks or misnames {error}")
            else:
                return found, history, rejected
        raise CheckpointError(
            f"no usable checkpoint in {directory} ({'; '.join(rejected) or 'there is none'}); "
            "bring back a copy of the folder, or start another run with --output FOLDER"
        )

    def link_results(self, step: int, history: Sequence[EpochRecord]) -> None:
        """Let `final` stand for the checkpoint at which training ended, `best` for the best epoch.

        A kill may have come between a checkpoint and its links, so both are set again.
        """
        self.link_best(history)
        self._link("final", step)

    def link_best(self, history: Sequence[EpochRecord]) -> None:
        """Let `checkpoints/best` stand for the epoch of lowest validation loss, if there is one."""
        self._link("best", best.step if (best := best_record(history)) else None)

    def _link(self, name: str, step: int | None) -> None:
        if not self._read_only:
            checkpoint.link(self.path / _CHECKPOINTS, name, step)

    # -- results ----------------------------------------------------------------------------------

    @property
    def metrics(self) -> dict[str, Any] | None:
        """`metrics.json`, or None before the run was evaluated."""
        return read_json(self.path / _METRICS) if (self.path / _METRICS).exists() else None

    def record_metrics(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`."""
        self._write(_METRICS, to_json(metrics))

    @property
    def calibration(self) -> dict[str, Any] | None:
        """`calibration.json`, which `evaluation.calibration` reads; None before the evaluation."""
        return read_json(self.path / _CALIBRATION) if (self.path / _CALIBRATION).exists() else None

    def record_calibration(self, calibration: dict[str, Any]) -> None:
        """Write `calibration.json`."""
        self._write(_CALIBRATION, to_json(calibration))

    @property
    def predictions(self) -> Predictions:
        """A row an image that the results speak of; raises as `read_predictions`."""
        return read_predictions(self.path / _PREDICTIONS)

    def record_predictions(self, predictions: Predictions) -> None:
        """Write `predictions.csv`."""
        self._write(_PREDICTIONS, predictions_to_csv(predictions).encode())

    def record_table(self, name: str, csv: str) -> None:
        """Write "confusion_matrix", "errors" or "answers" as CSV."""
        self._write(f"{name}.csv", csv.encode())

    def record_page(self, html: str) -> Path:
        """Write `report.html`; returns where it is."""
        self._write(_PAGE, html.encode())
        return self.path / _PAGE

    def record_report(self, text: str, values: dict[str, Any]) -> None:
        """Write `classification_report.txt` and `.json`."""
        self._write(f"{_REPORT}.txt", text.encode())
        self._write(f"{_REPORT}.json", to_json(values))

    def record_plot(self, name: str, png: bytes) -> None:
        """Write a picture: "loss", "accuracy", "confusion_matrix…" or "reliability"."""
        suffix = f"_{self.environment['framework']}" if name in ("loss", "accuracy") else ""
        self._write(f"{name}{suffix}.png", png)

    def _read(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = read_json(self.path / name)
        return self._known[name]

    def _write(self, name: str, data: bytes) -> None:
        self._known.pop(name, None)
        if not self._read_only:
            write_atomically(self.path / name, data)
