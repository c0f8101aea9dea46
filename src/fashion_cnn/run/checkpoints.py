"""`Checkpoints`: those that a run keeps, and which of them are its best and its final one."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.files import read_bytes
from fashion_cnn.run import checkpoint
from fashion_cnn.run.checkpoint import Arrays, Checkpoint
from fashion_cnn.run.history import EpochRecord, best_record
from fashion_cnn.run.typed import decode

_NEWEST_KEPT = 2


class Checkpoints:
    """The folder of a run's checkpoints.

    Attributes:
        folder: made with the first one.
    """

    def __init__(
        self, folder: Path, fingerprint: Callable[[], str | None], *, read_only: bool
    ) -> None:
        """Name the folder.

        Args:
            fingerprint: of the run's recipe and data; None where that is not known.
            read_only: what writes does nothing; another process writes the same.
        """
        self.folder = folder
        self._fingerprint = fingerprint
        self._read_only = read_only
        self._loaded: dict[str, str] = {}  # SHA-256 by name

    def save(
        self,
        model: Arrays,
        optimizer: Arrays,
        state: Mapping[str, Any],
        history: Sequence[EpochRecord],
    ) -> None:
        """Publish a checkpoint, let `best` follow the history, and prune what nothing needs.

        Raises: as `fashion_cnn.run.checkpoint.save`; `UsageError` if the folder is a link.
        """
        if self._read_only:
            checkpoint.check_finite(model, optimizer)
            return
        self._check_own()
        state = {**state, "history": [dataclasses.asdict(record) for record in history]}
        checkpoint.save(self.folder, model, optimizer, state)
        self._link_best(history)
        steps = [step for step in checkpoint.published_steps(self.folder) if step <= state["step"]]
        keep = {*steps[:_NEWEST_KEPT], *self.needed(history)}
        checkpoint.prune(self.folder, keep | checkpoint.linked_steps(self.folder))

    @staticmethod
    def needed(history: Sequence[EpochRecord]) -> set[int]:
        """The start and the ends of epochs that training keeps, whether or not it is ever stopped.

        The previous checkpoint may have to step in, and with it the best epoch that it knew;
        roll-backs go to ends of epochs, and to the start.
        """
        bests = (best_record(history), best_record(history[:-1]))
        ends = {record.step for record in history[-_NEWEST_KEPT:]}
        return {0, *ends, *(best.step for best in bests if best)}

    def has(self, step: int) -> bool:
        """Whether there is one of that step."""
        return step in checkpoint.published_steps(self.folder)

    def cut_back(
        self, step: int, history: Sequence[EpochRecord], among: Container[int] | None = None
    ) -> None:
        """Remove those after `step`, which training is about to reach on another way.

        Args: among: those before are removed too, unless they are in this.
        """
        if self._read_only:
            return
        self._check_own()
        self._link_best(history)
        steps = checkpoint.published_steps(self.folder)
        keep = {one for one in steps if one <= step and (among is None or one in among)}
        checkpoint.prune(self.folder, keep)
        final = self.folder / "final"
        if os.path.lexists(final) and not final.exists():  # what it stood for is gone
            self._link("final", step)

    def load(self, name: str) -> Checkpoint:
        """Open "best", "final" or "step-XXXXXXXX".

        Raises:
            CheckpointError: it does not verify, or is of another run.
        """
        found = self._check_same(checkpoint.load(self.folder / name), self._fingerprint())
        self._loaded[name] = found.sha256
        return found

    def sha256(self, name: str) -> str:
        """Of the file of a checkpoint's weights: as they were last loaded here, or else as they are
        now; "" without that checkpoint. Raises as `load`.
        """
        path = self.folder / name / checkpoint.WEIGHTS
        if name in self._loaded or not path.exists():
            return self._loaded.get(name, "")
        return hashlib.sha256(read_bytes(path, CheckpointError)).hexdigest()

    def newest(
        self,
        fingerprint: str | None = None,
        accept: Callable[[Checkpoint], None] = lambda found: None,
        *,
        or_start: bool = False,
    ) -> tuple[Checkpoint, list[EpochRecord], list[str]]:
        """Find the newest checkpoint that verifies, as does the best one that it builds on.

        Args:
            fingerprint: of the recipe and the data; a checkpoint of another is rejected.
            accept: raises `CheckpointError` for a checkpoint that does not fit the caller.
            or_start: take the start too, however much was learned since; a run whose later
                checkpoints are damaged is better mended than begun again unasked.

        Returns:
            The checkpoint, its history, and a line on each newer one that was rejected.

        Raises:
            CheckpointError: there is none; the message names those rejected and why.
        """
        self.check_any()
        rejected = []
        steps = checkpoint.published_steps(self.folder)
        if not or_start and len(steps) > _NEWEST_KEPT and steps[-1] == 0:
            steps.pop()
        for step in steps:
            try:
                found = self._open(step, fingerprint)
                history = list(decode(tuple[EpochRecord, ...], found.state["history"]))
                accept(found)
                if (best := best_record(history)) and best.step != step:
                    self._open(best.step, fingerprint)
            except CheckpointError as error:
                rejected.append(f"step {step}: {error}")
            except (KeyError, TypeError, ValueError) as error:
                rejected.append(f"step {step}: state.json lacks or misnames {error}")
            else:
                return found, history, rejected
        raise self._no_use(rejected)

    def _open(self, step: int, fingerprint: str | None) -> Checkpoint:
        found = checkpoint.load(checkpoint.path_of(self.folder, step))
        return self._check_same(found, fingerprint)

    def _check_same(self, found: Checkpoint, fingerprint: str | None) -> Checkpoint:
        if fingerprint is not None and found.state.get("run") != fingerprint:
            raise CheckpointError(f"{found.path} is of another recipe, seed or data set")
        return found

    def _check_own(self) -> None:
        """Raise `UsageError` if what this run would prune may be another run's."""
        if self.folder.is_symlink():
            raise UsageError(
                f"{self.folder} is a link to {self.folder.resolve()}; a run keeps its checkpoints "
                "itself: put that folder in its place"
            )

    def check_any(self) -> None:
        """Raise `CheckpointError` unless there is a checkpoint, of use or not."""
        if not checkpoint.published_steps(self.folder):
            raise self._no_use(["there is none"])

    def _no_use(self, reasons: Sequence[str]) -> CheckpointError:
        return CheckpointError(
            f"no usable checkpoint in {self.folder} ({'; '.join(reasons)}); "
            "bring back a copy of the folder, or start another run with --output FOLDER"
        )

    def finish(self, step: int, history: Sequence[EpochRecord]) -> None:
        """Let `final` stand for the checkpoint at which training ended, `best` for the best epoch.

        A kill may have come between a checkpoint and its links, so both are set again.
        """
        self._check_own()
        self._link_best(history)
        self._link("final", step)

    def _link_best(self, history: Sequence[EpochRecord]) -> None:
        """Let `best` stand for the epoch of lowest validation loss, if there is one."""
        self._link("best", best.step if (best := best_record(history)) else None)

    def _link(self, name: str, step: int | None) -> None:
        self._loaded.pop(name, None)
        if not self._read_only:
            checkpoint.link(self.folder, name, step)
