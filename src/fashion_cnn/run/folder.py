"""`Run`: one training run on disk."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_bytes, read_json, target_of, to_json, write_atomically
from fashion_cnn.process.machine import FRAMEWORKS
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.own_network import MOST_CODE, Source, allow, allowed, given
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.checkpoints import Checkpoints
from fashion_cnn.run.command import run_command
from fashion_cnn.run.film import Film, read_film
from fashion_cnn.run.history import (
    EpochRecord,
    history_to_csv,
    read_history,
)
from fashion_cnn.run.layers import Layer, check_layers, describe_layers
from fashion_cnn.run.lock import hold
from fashion_cnn.run.log import append_entry, read_entries, to_line
from fashion_cnn.run.results import RESULT_FILES, Results
from fashion_cnn.run.typed import Count, decode

_RECIPE = "recipe.json"
_ENVIRONMENT = "environment.json"
_SPLIT = "split.json"
_LOG = "log.jsonl"
_HISTORY = "history.csv"
_CHECKPOINTS = "checkpoints"
_NETWORK = "network.py"
_LAYERS = "layers.json"
_FILM = "film.safetensors"
_LOCK = ".lock"
_BEGUN = ".begun"  # of a run that begins, or that is being replaced, until there is a recipe
_MOST_BYTES = 1 << 22  # of what is written once; the layers have most, some hundred each
_OTHERS = ("model.onnx", "model-int8.onnx", "export.json", "*.tfevents.*")
_ALL = (
    _RECIPE,
    _NETWORK,
    _LAYERS,
    _ENVIRONMENT,
    _SPLIT,
    _LOG,
    _HISTORY,
    _FILM,
    _CHECKPOINTS,
    _BEGUN,
    *RESULT_FILES,
    *_OTHERS,
)


@dataclass(frozen=True)
class _Environment:
    framework: str
    device: str = ""
    backend: str = ""
    threads: Count | None = None
    ranks: Count = 1
    deterministic: bool = False
    command: tuple[str, ...] = ()
    data_sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Split:
    test_sealed: bool = False
    seed: Count = 0
    training_images: Count = 0
    validation_images: Count = 0
    fingerprint: str = ""
    data: str = ""
    class_names: tuple[str, ...] = ()
    framing: str = ""
    data_dir: str = ""
    validation_seen_before: bool = False


class Run:
    """The folder of one run; it may or may not exist yet.

    Attributes:
        path: the folder.
        checkpoints: those that it keeps.
        results: what an evaluation left.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Args: read_only: what writes does nothing; another process writes the same."""
        self.path = Path(path)
        self.checkpoints = Checkpoints(
            self.path / _CHECKPOINTS, self.fingerprint, read_only=read_only
        )
        self.results = Results(self.path, self._write, self.fingerprint)
        self._read_only = read_only
        self._known: dict[str, Any] = {}  # what was read of files that only this run writes

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a folder that holds a run.

        Raises:
            UsageError: it holds none, or does not say what that runs on as it was written.
        """
        run = cls(path)
        if not run.exists():
            raise UsageError(f"{path} holds no run: there is no {_RECIPE} in it")
        for name, read in ((_ENVIRONMENT, _check_environment), (_SPLIT, _check_split)):
            if os.path.lexists(run.path / name):
                run._read_checked(name, read)
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
        # The mark comes first: a half-removed run is no run any more, and until there is a recipe
        # all that has a run's names is known to be one's.
        if self.exists():
            os.replace(self.path / _RECIPE, self.path / _BEGUN)
        else:
            self._write(_BEGUN, b"")
        for path in self._own():
            if path.name != _BEGUN:
                checkpoint.remove(path)
        with suppress(OSError):  # not empty: what is in it is not ours
            self.checkpoints.folder.rmdir()
        self._known.clear()

    def check_room(self, *, overwrite: bool) -> None:
        """Raise the error that `prepare` would raise, and touch nothing."""
        if self._read_only:
            return
        if self.exists() and not overwrite:
            raise UsageError(
                f"{self.path} already holds a run; continue it with --resume, replace it with "
                "--overwrite, or start another with --output FOLDER"
            )
        # Looked at before the mark: another training may be beginning just now.
        names = [path.name for path in self.path.iterdir()] if self.path.is_dir() else []
        strange = [name for name in names if (target_of(name) or name) not in (_LOCK, _BEGUN)]
        if self.exists() or os.path.lexists(self.path / _BEGUN):
            self._check_replaceable()
            results = [name for name in names if _is_own(name, (*RESULT_FILES, *_OTHERS))]
            if results and not overwrite:  # which no start leaves
                raise UsageError(
                    f"{self.path} holds the rest of a run ({min(results)}); remove it with "
                    "--overwrite, or start another with --output FOLDER"
                )
        elif strange:
            raise UsageError(
                f"{self.path} holds no run, but other files ({min(strange)}); "
                "name an empty or new folder with --output"
            )

    def _check_replaceable(self) -> None:
        """Raise `UsageError` unless what has a run's names is a run's."""
        try:
            if self.exists():
                _ = self.recipe, self._read_checked(_ENVIRONMENT, _check_environment)
        except UsageError as error:
            raise UsageError(
                f"{error}; --overwrite replaces only a run: remove the folder yourself, or name "
                "another with --output"
            ) from None
        folders = [path for path in self._own() if path.parent == self.path and _is_folder(path)]
        if folders:
            raise UsageError(f"{min(folders)} is a folder, and none of a run's; move it elsewhere")

    def _own(self) -> list[Path]:
        """What there is of a run, by its names; of `checkpoints/` what is in it."""
        found = [path for path in self.path.iterdir() if _is_own(path.name)]
        if _is_folder(folder := self.checkpoints.folder):
            found = [path for path in found if path != folder]
            found += [path for path in folder.iterdir() if checkpoint.is_own(path.name)]
        return found

    def describe(self, environment: dict[str, Any], split: dict[str, Any]) -> None:
        """Write what the run runs on, and which images it uses."""
        self._write(_ENVIRONMENT, to_json(environment))
        self._write(_SPLIT, to_json(split))

    def fingerprint(self) -> str | None:
        """Of the recipe and the data; None before they are recorded, or if they never were."""
        if not self.exists() or not (self.path / _SPLIT).is_file():
            return None
        data = self.split.get("fingerprint")
        return self.recipe.fingerprint(data) if data is not None else None

    @property
    def recipe(self) -> Recipe:
        """The recipe. Raises `UsageError` if the file was altered beyond use."""
        values = self._read(_RECIPE)
        try:
            return Recipe.from_dict(values)
        except UsageError as error:
            raise UsageError(f"{self.path / _RECIPE} is not as it was written ({error})") from None

    def record_recipe(self, recipe: Recipe) -> None:
        """Write `recipe.json`, the mark of a run: there must be a checkpoint first."""
        self._write(_RECIPE, to_json(recipe.to_dict()))
        if not self._read_only:
            with suppress(OSError):  # a folder in a run that came from elsewhere
                (self.path / _BEGUN).unlink(missing_ok=True)

    def record_network(self, recipe: Recipe, layers: Sequence[Layer]) -> None:
        """Keep what the network is made of, and the code of one of somebody's own."""
        self._write(_LAYERS, to_json(describe_layers(layers)))
        if recipe.model_sha256:
            self._write(_NETWORK, allowed(recipe).code)

    @property
    def layers(self) -> dict[str, Any] | None:
        """As `describe_layers` gives them; None if the run began before they were written down.

        Raises:
            UsageError: the file was altered beyond use.
        """
        there = os.path.lexists(self.path / _LAYERS)
        return self._read_checked(_LAYERS, check_layers) if there else None

    @property
    def model_given(self) -> str:
        """What to give as `model` to train it again: the run's copy of a network's code, where the
        file is another now, or was never one.
        """
        recipe = self.recipe
        file, name = own_network(recipe.model) or ("", "")
        try:
            there = read_bytes(Path(file), UsageError, MOST_CODE) if file else b""
        except (OSError, UsageError):
            there = b""
        same = hashlib.sha256(there).hexdigest() == recipe.model_sha256
        return f"{self.path / _NETWORK}:{name}" if file and not same else recipe.model

    def allow_network(self, model: Any = None, *, trust_code: bool = False) -> None:
        """Let this process run the code of the run's network, if that is one of somebody's own.

        Args:
            model: as `fashion_cnn.recipes.own_network.given` takes it; None for nothing.
            trust_code: run the copy in the folder.

        Raises:
            UsageError: `model` is not what was trained, or the copy was altered.
        """
        if model is None and not trust_code:
            return
        recipe, file = self.recipe, self.path / _NETWORK
        (_, name) = own_network(recipe.model) or ("", "")
        if model is not None:
            fields = given(model)
            (_, other) = own_network(fields["model"]) or ("", "")
            if (fields.get("model_sha256", ""), other) != (recipe.model_sha256, name):
                raise UsageError(
                    f"{self.path} was not trained with {model} as it is now; --trust-code runs the "
                    f"copy of the code that the run keeps ({file})"
                )
        if trust_code and recipe.model_sha256:
            code = read_bytes(file, UsageError, MOST_CODE) if os.path.lexists(file) else b""
            found = Source(str(file), name, code)
            if found.sha256 != recipe.model_sha256:
                raise UsageError(f"{file} is not the code that the run was trained with")
            allow(found)

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, hardware, device and threads. Raises `UsageError` if it is unusable."""
        if self.is_record and not os.path.lexists(self.path / _ENVIRONMENT):
            return {}
        return self._read_checked(_ENVIRONMENT, _check_environment)

    @property
    def split(self) -> dict[str, Any]:
        """How the images are divided, whether the test set is sealed. Raises as `environment`."""
        if self.is_record and not os.path.lexists(self.path / _SPLIT):
            return {"test_sealed": False}
        found = self._read_checked(_SPLIT, _check_split)
        return {"test_sealed": False, **found}  # it could not be, before this was recorded

    @property
    def is_record(self) -> bool:
        """Whether only figures are kept: no answers, and no checkpoint that could give them."""
        return not (self.results.have_predictions or os.path.lexists(self.checkpoints.folder))

    def check_results(self) -> None:
        """Raise `UsageError` if the results are of another state of the checkpoint that they name.

        The run may have gone on since it was evaluated, or the checkpoint may be another run's.
        """
        metrics = self.results.metrics
        name, wanted = metrics.reports_speak_of, metrics.answering.sha256
        found = self.checkpoints.sha256(name)
        if wanted and found and found != wanted:
            raise UsageError(
                f"{self.checkpoints.folder / name} is not the checkpoint that the results of "
                f"{self.path} were measured on; measure it with: "
                f"{run_command('evaluate', self.path)}"
            )

    # -- what happens -----------------------------------------------------------------------------

    def log(self, event: str, **details: Any) -> None:
        """Append one JSON object to `log.jsonl`, durably."""
        if not self._read_only:
            append_entry(self.path / _LOG, event, details)

    def record_test_reading(self, **details: Any) -> None:
        """Write down that the test set is about to be opened, before it is."""
        self.log("test_set_opened", **details)

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

    @property
    def film(self) -> Film | None:
        """A frame an epoch; None without one. Raises `UsageError` if it was altered beyond use."""
        film = read_film(self.path / _FILM, self.fingerprint())
        found = film.logits.shape[2] if film else 0
        if film and found != (wanted := len(self.split.get("class_names", CLASS_NAMES))):
            raise UsageError(f"{self.path / _FILM} is of {found} classes, the run of {wanted}")
        return film

    def record_frame(self, frame: Film) -> None:
        """Add the frame of the epoch that has ended, before the checkpoint of its end.

        Whoever resumes from an earlier checkpoint makes the frame again; one that came after its
        checkpoint would be missing.
        """
        film = self._usable_film()
        film = film.followed_by(frame) if film else frame
        self._write(_FILM, film.to_bytes(self.fingerprint() or ""))

    def cut_back(self, step: int, history: Sequence[EpochRecord]) -> None:
        """Bring history, log and film to where a restored checkpoint stands; repairs a torn line
        at the log's end.
        """
        self.record_history(history)
        self._cut_film(step)
        kept = [
            entry
            for entry in self.events()
            if entry.get("event") != "epoch" or _is_up_to(step, entry.get("step"))
        ]
        self._write(_LOG, b"".join(to_line(entry) for entry in kept))

    def _usable_film(self) -> Film | None:
        try:
            return self.film
        except UsageError:  # it is no reason to stop a training
            return None

    def _cut_film(self, step: int) -> None:
        film = self._usable_film()
        if film is None or film.step[-1] > step:
            kept = film.select(film.step <= step) if film else None
            if kept is not None and len(kept):
                self._write(_FILM, kept.to_bytes(self.fingerprint() or ""))
            elif not self._read_only:
                checkpoint.remove(self.path / _FILM)

    def _read_checked(self, name: str, check: Callable[[Any], None]) -> Any:
        found = self._read(name)
        try:
            check(found)
        except ValueError as error:
            raise UsageError(f"{self.path / name} is not as it was written ({error})") from None
        return found

    def _read(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = read_json(self.path / name, _MOST_BYTES)
        return self._known[name]

    def _write(self, name: str, data: bytes) -> None:
        self._known.pop(name, None)
        if not self._read_only:
            write_atomically(self.path / name, data)


def _is_up_to(step: int, found: Any) -> bool:
    return type(found) is int and 0 <= found <= step


def _is_own(name: str, patterns: Iterable[str] = _ALL) -> bool:
    """Whether a run makes files of that name; or those of some patterns."""
    names = {name, target_of(name) or name}
    return any(fnmatchcase(one, pattern) for one in names for pattern in patterns)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _check_environment(found: Any) -> None:
    """Raise `ValueError` unless it can be used."""
    if decode(_Environment, found).framework not in FRAMEWORKS:
        raise ValueError("it names no framework")
    others = {name: v for name, v in found.items() if name not in ("command", "data_sha256")}
    for name, value in others.items():
        if not isinstance(value, str | int | float | None) or not str(value).isprintable():
            raise ValueError(f"{name} is {value!r:.40}")


def _check_split(found: Any) -> None:
    """Raise `ValueError` unless it can be used."""
    decode(_Split, found)
    counted = {"training_images", "validation_images"} & found.keys()
    if len(counted) == 1 or not (counted or "test_sealed" in found):
        raise ValueError("it does not say whether the test set is sealed, or of how many images")
