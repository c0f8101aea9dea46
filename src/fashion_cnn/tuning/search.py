"""A search: trials of a recipe with other values, chosen by Optuna, measured on validation."""

import contextlib
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
from optuna.exceptions import (
    ExperimentalWarning,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from fashion_cnn.errors import DivergedError, FashionCNNError, UsageError
from fashion_cnn.files import check_no_link, read_bytes, to_json, write_atomically
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import FRAMEWORKS
from fashion_cnn.recipes.fields import check_folder_name
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.addresses import told_without
from fashion_cnn.reporting.search import short, to_text
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.run.lock import hold
from fashion_cnn.text import to_utf8
from fashion_cnn.tuning.choosing import PRUNERS, sampler_named
from fashion_cnn.tuning.record import describe_search
from fashion_cnn.tuning.space import Search
from fashion_cnn.tuning.storage import open_storage
from fashion_cnn.tuning.trial import follow_training, wait_until_free

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
_OWN = "a search writes only what is its own"
_MOST_RETRIES = 3  # a trial that takes its worker down each time must not do so for ever


class _StoppedError(Exception):
    """A signal ended the trial of this number before it was done."""


class _SurplusError(Exception):
    """Another worker began the last trial at the same moment."""


def run_search(
    search: Search, folder: Path, storage: str, arguments: list[str], say: Callable[[str], None]
) -> tuple[dict[str, Any], int | None]:
    """Train trials until the study has as many as it should; several workers may do so at once.

    Each trial is the command `fashion-cnn train --no-test`, in a process of its own. A trial whose
    worker was stopped or killed goes on from its last checkpoint.

    Args:
        folder: for the trials' runs, `trials/NNNN`.
        storage: as `open_storage` takes it; "" for SQLite in `folder`.
        arguments: for every command, for instance `--threads 1`.
        say: gets a line a trial.

    Returns:
        What `describe_search` says of it, and the signal that ended this worker, or None.

    Raises:
        UsageError: the storage cannot be used, or holds another search of this name; or there is a
            link where the search would write.
        FashionCNNError: a training or the storage failed.
        OSError: the disk is full or failing.
    """
    check_no_link(folder / "trials", _OWN)
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    worker = _Worker(search, folder, arguments, say)
    with open_search(search, folder, storage) as study, Interruption() as interruption:
        worker.work(study, interruption)
        return describe_search(search, study, folder, arguments), interruption.signal


def carry_out(
    search: Search, folder: Path, storage: str, arguments: list[str], say: Callable[[str], None]
) -> tuple[dict[str, Any], int | None]:
    """Run a search, then write its tables and draw its plots; arguments, errors as `run_search`."""
    from fashion_cnn.tuning.pictures import draw_search  # here: a worker that failed draws nothing

    result, signal = run_search(search, folder, storage, arguments, say)
    write_atomically(folder / "search.json", to_json(result))
    write_atomically(folder / "search.md", to_utf8(f"{to_text(result)}\n"))
    with open_search(search, folder, storage) as study:
        for picture, png in draw_search(study, search.recipe.seed).items():
            write_atomically(folder / f"{picture}.png", png)
    say(f"every trial and its command: {folder}/search.json; plots beside it")
    return result, signal


@contextlib.contextmanager
def open_search(search: Search, folder: Path, storage: str) -> Iterator[optuna.Study]:
    """The study behind a search, made if it is new; arguments and errors are `run_search`'s."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not isinstance(storage, str):
        raise UsageError(f"storage is {storage!r:.60}; it must be a database's URL")
    own = folder.resolve() / "search.db"
    if not storage:
        for end in ("", "-journal", "-wal", "-shm"):  # SQLite's
            check_no_link(own.with_name(own.name + end), _OWN)
    try:
        place = storage or f"sqlite:///{quote(str(own))}"
    except UnicodeEncodeError:
        raise UsageError(f"{own} is not UTF-8, as a database's name must be; rename it") from None
    try:
        with open_storage(place, _again) as opened:
            study = optuna.create_study(
                storage=opened,
                study_name=search.name,
                direction="maximize" if search.objective == "accuracy" else "minimize",
                sampler=sampler_named(search.sampler, search.recipe.seed),
                pruner=PRUNERS[search.pruner](search.recipe.epochs),
                load_if_exists=True,
            )
            _check_same(study, search)
            yield study
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = told_without(" ".join(str(error.__cause__ or error).split()), place)[:200]
        raise FashionCNNError(
            f"the search's storage failed ({reason}); run the command again to continue"
        ) from None


@dataclass(frozen=True)
class _Worker:
    """One process of perhaps several that work on a study."""

    search: Search
    folder: Path
    arguments: list[str]
    say: Callable[[str], None]

    @property
    def place(self) -> str:
        """Where this worker's trials are: others can look at their locks there."""
        return f"{socket.gethostname()}:{self.folder.resolve()}"

    def work(self, study: optuna.Study, interruption: Interruption) -> None:
        """Train until enough trials are done or under way, or a signal arrives."""
        while not interruption.signal:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # it is from 2021
                optuna.storages.fail_stale_trials(study)
            self._take_over_the_dead(study)
            if len(study.get_trials(deepcopy=False, states=_COUNTED)) >= self.search.trials:
                return
            with contextlib.ExitStack() as held:
                self._work_once(study, interruption, held)

    def _work_once(
        self, study: optuna.Study, interruption: Interruption, held: contextlib.ExitStack
    ) -> None:
        """Try one trial. Args: held: its lock is, until the study knows how it ended."""
        taken_over = False

        def objective(trial: Trial) -> float:
            nonlocal taken_over
            try:
                return self._try(study, trial, interruption, held)
            finally:
                taken_over = study.trials[trial.number].state.is_finished()

        try:
            study.optimize(objective, n_trials=1, callbacks=[self._tell])
        except (AssertionError, UpdateFinishedTrialError, ValueError):
            if not taken_over:
                raise
            # Optuna's, of a trial that was ended elsewhere: this worker had long been silent.
            self.say("a trial was taken over by another worker while this one stood still")
        except _SurplusError:
            return
        except _StoppedError as stopped:
            (number,) = stopped.args
            _again(study, study.trials[number], counted=False)
            self.say(f"trial {number}: stopped; the same command continues it")

    def _try(
        self,
        study: optuna.Study,
        trial: Trial,
        interruption: Interruption,
        held: contextlib.ExitStack,
    ) -> float:
        """Train one trial: its value, or `optuna.TrialPruned`."""
        earlier = study.get_trials(deepcopy=False, states=_COUNTED)
        if sum(other.number < trial.number for other in earlier) >= self.search.trials:
            trial.set_user_attr("surplus", True)
            raise _SurplusError
        folder = str(trial.user_attrs.get("folder", f"{trial.number:04d}"))
        check_folder_name(f"the folder of trial {trial.number}", folder)
        run = Run(self.folder / "trials" / folder)
        # Held while this process lives: whoever can take it knows that the trial's worker is gone.
        held.enter_context(hold(self._lock(trial.number)))
        trial.set_user_attr("folder", folder)
        trial.set_user_attr("place", self.place)
        params = {dimension.field: dimension.suggest(trial) for dimension in self.search.space}
        check_no_link(run.path, _OWN)
        wait_until_free(run, interruption, self.say)
        if interruption.signal:
            raise _StoppedError(trial.number)
        words = [*self.search.command(params), "--no-test", *self.arguments]
        words += ["--output", str(run.path)]
        if run.exists():
            if "retry_of" not in trial.user_attrs:
                raise UsageError(f"{run.path} is of another search; give another --output")
            words.append("--resume")
        trial.set_user_attr("command", ["fashion-cnn", *words])
        return self._measure(trial, words, run, interruption)

    def _measure(
        self, trial: Trial, words: list[str], run: Run, interruption: Interruption
    ) -> float:
        pruned, last = False, trial.params.get("epochs", self.search.recipe.epochs)

        def epoch(record: EpochRecord) -> bool:
            nonlocal pruned
            trial.report(getattr(record, f"val_{self.search.objective}"), record.epoch)
            pruned = pruned or (record.epoch < last and trial.should_prune())
            return pruned

        messages = run.path.with_suffix(".log")
        code = follow_training(words, run, messages, interruption, epoch)
        if code == DivergedError.exit_code:
            trial.set_user_attr("diverged", True)
            raise optuna.TrialPruned  # so that a sampler keeps away; a failed trial it ignores
        if code and pruned:
            raise optuna.TrialPruned
        if code and interruption.signal:
            raise _StoppedError(trial.number)
        if code:
            said = read_bytes(messages, UsageError).decode(errors="replace")
            lines = said.splitlines() or ["it said nothing"]
            error = FashionCNNError(
                f"trial {trial.number} ended with {code}: "
                f"{lines[-1].removeprefix('fashion-cnn: ')} (all it said: {messages})"
            )
            error.exit_code = code
            raise error
        return getattr(run.results.metrics.answering.validation, self.search.objective)

    def _take_over_the_dead(self, study: optuna.Study) -> None:
        """Queue again what a killed worker left: those of this folder, whose locks are free."""
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get("place") != self.place:
                continue  # a database misses its heartbeat after a while
            try:
                with hold(self._lock(trial.number)):
                    study.tell(trial.number, state=TrialState.FAIL)
            except (UsageError, ValueError):  # its worker lives; another one was faster
                continue
            self.say(f"trial {trial.number}: its worker is gone; it goes on from where it was")
            _again(study, trial)

    def _lock(self, number: int) -> Path:
        return self.folder / "trials" / f".{number:04d}.lock"

    def _tell(self, study: optuna.Study, trial: FrozenTrial) -> None:
        values = " ".join(f"{name}={short(value)}" for name, value in trial.params.items())
        done = len(study.get_trials(deepcopy=False, states=_COUNTED[:2]))
        self.say(f"trial {trial.number} ({done}/{self.search.trials}): {_outcome(trial)}  {values}")


def _again(study: optuna.Study, trial: FrozenTrial, *, counted: bool = True) -> None:
    """Let a trial's values be tried once more, in the folder where its run stands.

    Args: counted: its worker died, which must not happen for ever.
    """
    retries = trial.user_attrs.get("retries", 0) + counted
    if "folder" not in trial.user_attrs or retries > _MOST_RETRIES:
        return
    attributes = {"folder": trial.user_attrs["folder"], "retries": retries}
    study.enqueue_trial(trial.params, user_attrs={**attributes, "retry_of": trial.number})


def _check_same(study: optuna.Study, search: Search) -> None:
    """Raise `UsageError` if a study of this name searches something else."""
    wanted = {
        "recipe": search.recipe.to_dict(),
        "space": [str(dimension) for dimension in search.space],
        "objective": search.objective,
        "framework": search.framework or FRAMEWORKS[0],
        "data set": dict(search.data_sha256),
    }
    found = study.user_attrs
    for key, value in wanted.items():
        if not value:
            continue
        before = found.get(key, value)
        if key == "recipe":  # as recipes: a field that was not there yet has its default
            before = Recipe.from_dict(before).to_dict()
        if before != value:
            raise UsageError(
                f"the storage holds a search {search.name!r} with another {key}; give another "
                "--name or --output"
            )
    for key, value in wanted.items():
        if value and key not in found:
            study.set_user_attr(key, value)


def _outcome(trial: FrozenTrial) -> str:
    if trial.user_attrs.get("diverged"):
        return "diverged"
    if trial.state == TrialState.PRUNED:
        return f"pruned after epoch {trial.last_step}"
    with contextlib.suppress(TypeError):
        return f"validation {trial.value:.5f}"
    return trial.state.name.lower()
