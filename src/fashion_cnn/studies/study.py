"""Studies: variants of a recipe times seeds, each run in a process of its own."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import resources
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from fashion_cnn.errors import DivergedError, FashionCNNError, UsageError
from fashion_cnn.files import check_no_link, read_fields, to_json, write_atomically
from fashion_cnn.frameworks import Hardware
from fashion_cnn.process.interruption import exit_status
from fashion_cnn.process.machine import FRAMEWORKS
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import check_folder_name, nearest
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.recipe import Recipe, train_command
from fashion_cnn.run.command import run_command
from fashion_cnn.run.folder import Run
from fashion_cnn.run.lock import hold
from fashion_cnn.run.recipe_file import SUFFIXES, as_fields
from fashion_cnn.run.typed import Positive, Share, decode

_Result = tuple[dict[str, Any], dict[str, Any]]
"""Of a run: its row, and its environment."""

_FILLED_IN = ("model_sha256", "init_sha256", "teacher_sha256")
"""Fields that a run adds to its recipe: which files it was given."""

_NO_FIELDS = ("framework", "recipe")
"""What a variant may name beside a recipe's fields."""

_KEYS = {"recipe": str, "seeds": list, "measure": str, "fields": dict, "variants": dict}


@dataclass(frozen=True)
class _Checkpoint:
    accuracy: Share


@dataclass(frozen=True)
class _Row:
    """What tables are made of; a run that diverged has no figures, an older row fewer."""

    variant: str
    seed: int
    resumed: bool
    diverged: bool = False
    accuracy: Share = 0.0
    ece: Share = 0.0
    class_accuracy: Mapping[str, Share] = field(default_factory=dict)
    checkpoints: Mapping[str, _Checkpoint] = field(default_factory=dict)
    training_seconds: Positive = 0.0
    command_seconds: Positive = 0.0


@dataclass(frozen=True)
class _Description:
    name: str
    framework: str = FRAMEWORKS[0]


@dataclass(frozen=True)
class _Record:
    measure: str
    recipes: Mapping[str, _Description]
    runs: tuple[_Row, ...]


@dataclass(frozen=True)
class Study:
    """What to compare.

    Attributes:
        name: of the folder and the table.
        recipe: the catalogue entry that every run begins as, unless its variant names another.
        seeds: each variant is trained with all of them.
        measure: "validation", which leaves the test set sealed, or "test".
        variants: names, and the fields in which each differs, "framework" and "recipe" among
            them; the first is what the others are compared with.
    """

    name: str
    recipe: str
    seeds: tuple[int, ...]
    measure: str
    variants: Mapping[str, Mapping[str, Any]]

    def recipe_of(self, variant: str, seed: int) -> Recipe:
        """The recipe of one run."""
        named = catalog.named(self.begins_as(variant))
        return named.replace(**self.fields_of(variant), seed=seed)

    def fields_of(self, variant: str) -> dict[str, Any]:
        """The recipe's fields that a variant sets: of those for all variants what applies to it."""
        fields = {k: v for k, v in self.variants[variant].items() if k not in _NO_FIELDS}
        whole = catalog.named(self.begins_as(variant)).replace(**fields)
        return {name: value for name, value in fields.items() if whole.applies(name)}

    def begins_as(self, variant: str) -> str:
        """The catalogue entry that a variant's runs begin as."""
        return self.variants[variant].get("recipe", self.recipe)

    def description_of(self, variant: str) -> dict[str, Any]:
        """What a variant trains: its recipe without the seed, and its framework if it names one."""
        fields = {k: v for k, v in self.recipe_of(variant, 0).to_dict().items() if k != "seed"}
        named = self.variants[variant]
        return fields | ({"framework": named["framework"]} if "framework" in named else {})


def open_study(
    study: "str | os.PathLike[str] | Mapping[str, Any] | Study", *, trust_code: bool = False
) -> Study:
    """Read a study from a TOML or JSON file, or one that comes with the package by its name.

    The keys: `recipe`; `seeds`, a list; `measure`, "validation" or "test"; `fields`, a table of
    what all variants have; `variants`, a table of tables. Beside a recipe's fields, `framework`,
    "pytorch" or "keras", and another `recipe` may stand in both. A mapping of these may have a
    `name` too.

    Args: trust_code: the code that a file names as its networks may be run.

    Raises:
        UsageError: no such study, or what it holds is not one; or a file names code, and nobody
            trusts it.
    """
    if isinstance(study, Study):
        study = {**dataclasses.asdict(study), "seeds": list(study.seeds)}
    if isinstance(study, Mapping):
        values = dict(study)
        name = values.pop("name", "study")
        if not isinstance(name, str):
            raise UsageError(f"the study's name is {name!r:.60}; it must be a string")
        return _study(name, values)
    if not isinstance(study, str | os.PathLike):
        raise UsageError(f"study is {study!r:.60}; it must be a name, a file or its tables")
    file_or_name = str(study)
    shipped = {
        item.name.removesuffix(".toml"): item
        for item in resources.files("fashion_cnn").joinpath("studies").iterdir()
        if item.name.endswith(".toml")
    }
    if file_or_name in shipped:
        return _study(file_or_name, tomllib.loads(shipped[file_or_name].read_text("utf-8")))
    if (path := Path(file_or_name)).suffix in SUFFIXES and path.is_file():
        found = _study(path.stem, read_fields(path))
        if not trust_code:
            _check_names_no_code(found, path)
        return found
    raise UsageError(
        f"no study {file_or_name!r}{nearest(file_or_name, list(shipped))}; give a TOML or JSON "
        f"file, or one of: {', '.join(sorted(shipped))}"
    )


def _study(name: str, values: dict[str, Any]) -> Study:
    _check_keys(name, values)
    variants = {
        variant: as_fields({**values.get("fields", {}), **fields})
        for variant, fields in values["variants"].items()
    }
    study = Study(name, values["recipe"], tuple(values["seeds"]), values["measure"], variants)
    for variant, fields in variants.items():  # a wrong field is told before an hour of training
        for seed in study.seeds:
            study.recipe_of(variant, seed)
        begun = catalog.named(study.begins_as(variant))
        asked = as_fields(values["variants"][variant]).keys() - {*_NO_FIELDS}
        begun.replace(**{k: v for k, v in fields.items() if k not in _NO_FIELDS}).check_asked(
            sorted(asked), begun
        )
        Hardware(framework=fields.get("framework"))  # pyright: ignore[reportArgumentType]
    return study


def _check_names_no_code(study: Study, path: Path) -> None:
    """Each training would take it for what a person names."""
    for fields in study.variants.values():
        if own_network(model := fields.get("model", "")):
            raise UsageError(
                f"{path} names {model}, somebody's own network, and training it runs their code; "
                "if you trust that code: --trust-code (in Python trust_code=True)"
            )


def run_study(
    study: Study,
    folder: Path,
    arguments: list[str],
    say: Callable[[str], None],
    jobs: int = 1,
    data_sha256: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Train what is not trained yet; seeds in the outer loop, so that pairs are near in time.

    Each run is the command `fashion-cnn train`, in a process of its own. Stopped at any moment,
    the study goes on where it was. A run that diverges is a result; any other failure ends it,
    once the runs beside it are done.

    Args:
        folder: for the runs, `VARIANT/seed-N`, and `study.json`.
        arguments: for every command, for instance `--threads 1`.
        say: gets a line a run.
        jobs: runs at once.
        data_sha256: of the files of the data set, which must be those of the rows in the folder;
            None for any.

    Returns:
        What `study.json` holds: the study, the recipes, the environment, and a row a run.

    Raises:
        UsageError: the folder is in use, is of another study or of other data, holds a run of
            another recipe or whose test set is sealed, or a link where a run would be; or `jobs` is
            below 1.
        FashionCNNError: a run failed; its own message stands above.
    """
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"jobs is {jobs!r:.60}; it must be a whole number of at least 1")
    with hold(folder / ".lock"), _passing_on_sigterm():
        return _run_missing(study, folder, arguments, say, jobs, data_sha256)


def _run_missing(
    study: Study,
    folder: Path,
    arguments: list[str],
    say: Callable[[str], None],
    jobs: int,
    data_sha256: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What `run_study` does in the folder that it holds."""
    record = folder / "study.json"
    description = dataclasses.asdict(study) | {
        "recipes": {v: study.description_of(v) for v in study.variants}
    }
    result = {**description, "environment": {}, "runs": []}
    if record.exists():
        result |= _read_record(record)
        _check_same(result, description, record)
        if data_sha256 and result["environment"].get("data_sha256", data_sha256) != data_sha256:
            raise UsageError(f"{record} was made with other data; give another --output")
        result |= description
    wanted = [(variant, seed) for seed in study.seeds for variant in study.variants]
    result["runs"] = [row for row in result["runs"] if (row["variant"], row["seed"]) in wanted]
    done = {(row["variant"], row["seed"]) for row in result["runs"]}
    places = {(v, s): folder / _folder_name(v) / f"seed-{s}" for v, s in wanted}
    for place in places.values():
        for path in (place.parent, place):
            check_no_link(path, "a study keeps its runs itself")
    write_atomically(record, to_json(result))

    def train(pair: tuple[str, int]) -> _Result:
        return _train(study, *pair, places[pair], arguments, jobs)

    missing = [pair for pair in wanted if pair not in done]
    for row, environment in _several(train, missing, jobs):
        result["environment"] = result["environment"] or environment
        if environment and environment != result["environment"]:
            row["environment"] = environment
        result["runs"].append(row)
        result["runs"].sort(key=lambda row: wanted.index((row["variant"], row["seed"])))
        write_atomically(record, to_json(result))
        say(f"{row['variant']}, seed {row['seed']}: {_outcome(row)}")
    return result


def _several(
    train: Callable[[tuple[str, int]], _Result], pairs: list[tuple[str, int]], jobs: int
) -> Iterator[_Result]:
    """Train each pair of variant and seed, `jobs` at once; yield what each gives as it ends.

    After a failure no more begin; it is raised when those under way have ended.
    """
    rest, failure = iter(pairs), None
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(train, pair) for pair in islice(rest, jobs)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                if error := future.exception():
                    failure = failure or error
                else:
                    yield future.result()
            if failure is None:
                running |= {pool.submit(train, pair) for pair in islice(rest, len(ended))}
    if failure:
        raise failure


def _check_keys(name: str, values: dict[str, Any]) -> None:
    """Raise `UsageError` unless the file has the form of a study."""
    for key in values:
        if key not in _KEYS:
            raise UsageError(f"study {name}: unknown key {key!r}{nearest(str(key), list(_KEYS))}")
    for key, kind in _KEYS.items():
        if key != "fields" and not isinstance(values.get(key), kind):
            raise UsageError(f"study {name}: {key} is missing, or is not a {kind.__name__}")
    if values["measure"] not in ("validation", "test"):
        raise UsageError(f"study {name}: measure must be 'validation' or 'test'")
    seeds, variants = values["seeds"], values["variants"]
    if any(type(seed) is not int for seed in seeds) or not 0 < len(seeds) == len(set(seeds)):
        raise UsageError(f"study {name}: seeds must be different whole numbers")
    tables = [values.get("fields", {}), *variants.values()]
    if not variants or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"study {name}: give at least one variant, each a table of recipe fields")
    if not all(type(word) is str for table in (variants, *tables) for word in table):
        raise UsageError(f"study {name}: the names of variants and of fields must be strings")
    if not all(isinstance(table.get("recipe", ""), str) for table in tables):
        raise UsageError(f"study {name}: a variant's recipe must be a name of the catalogue")
    if taken := {"seed", "name"} & {field for table in tables for field in table}:
        raise UsageError(f"study {name}: {min(taken)} is not a field to vary")
    check_folder_name("the study's name", name)
    folders = {_folder_name(variant) for variant in variants}
    for folder in folders:
        check_folder_name(f"study {name}: the folder of a variant", folder)
    if len(folders) < len(variants):
        raise UsageError(f"study {name}: two variants would share a folder; name them otherwise")


def _read_record(record: Path) -> dict[str, Any]:
    """Read a `study.json`. Raises `UsageError` unless tables can be made of it."""
    found = read_fields(record)
    try:
        rows = decode(_Record, found).runs
        if len({(row.variant, row.seed) for row in rows}) < len(rows):
            raise ValueError("it has two rows of one variant and seed")
        if not isinstance(found.get("environment"), dict):
            raise ValueError("it has no environment")
    except ValueError as error:
        raise UsageError(
            f"{record} is not as it was written ({error}); give another --output"
        ) from None
    return found


def _check_same(found: dict[str, Any], wanted: dict[str, Any], record: Path) -> None:
    """Raise `UsageError` if the rows in a folder are not of this study."""
    if found["measure"] != wanted["measure"]:
        raise UsageError(
            f"{record} measures {found['measure']} accuracy, not {wanted['measure']} accuracy; "
            "give another --output"
        )
    trained = {row["variant"] for row in found["runs"]}
    for variant, recipe in wanted["recipes"].items():
        if variant not in trained:  # what never ran may be corrected
            continue
        try:
            before = _recipe_and_framework(found["recipes"].get(variant, recipe))
        except UsageError as error:
            raise UsageError(f"{record}, {variant!r}: {error}; give another --output") from None
        if before != _recipe_and_framework(recipe):
            raise UsageError(f"{record} has other values for {variant!r}; give another --output")


def _recipe_and_framework(description: Mapping[str, Any]) -> tuple[Recipe, str]:
    """Read `Study.description_of` back; a field that was not there yet has its default."""
    fields = {name: value for name, value in description.items() if name != "framework"}
    return Recipe.from_dict(fields), description.get("framework", FRAMEWORKS[0])


def _train(
    study: Study, variant: str, seed: int, path: Path, arguments: list[str], jobs: int
) -> _Result:
    """Run one command and read what it left: a row, and the environment."""
    framework = study.variants[variant].get("framework")
    changes = {"framework": framework} if framework else {}
    changes |= {**study.fields_of(variant), "seed": seed}
    words = train_command(study.begins_as(variant), changes)
    if study.measure == "validation":
        words.append("--no-test")
    words += [*arguments, "--output", str(path)]
    run = Run(path)
    if resumed := run.exists():
        wanted = study.recipe_of(variant, seed)
        found = {name: getattr(wanted, name) for name in _FILLED_IN}
        if run.recipe.replace(**found) != wanted:
            raise UsageError(f"{path} holds a run of another recipe; give another --output")
        if study.measure == "test" and run.split["test_sealed"]:
            raise UsageError(
                f"the test set of {path} is sealed; open it with: {run_command('evaluate', path)}"
            )
        words.append("--resume")
    began = time.monotonic()
    code = _wait_for([sys.executable, "-m", "fashion_cnn", *words], alone=jobs == 1)
    seconds = time.monotonic() - began
    row: dict[str, Any] = {
        "variant": variant,
        "seed": seed,
        "command": ["fashion-cnn", *words],
        "resumed": resumed,
        "jobs": jobs,
    }
    if code == DivergedError.exit_code:
        return {**row, "diverged": True}, {}
    if code:
        error = FashionCNNError(f"{variant}, seed {seed}: fashion-cnn ended with {code}")
        error.exit_code = code
        raise error
    metrics = run.results.metrics
    shown = getattr(metrics.answering, study.measure)
    row |= {name: value for name in _FILLED_IN if (value := getattr(run.recipe, name))}
    row |= {
        "accuracy": shown.accuracy,
        "loss": shown.loss,
        "n": shown.n,
        "ece": shown.ece,
        "class_accuracy": {one.name: one.recall for one in shown.per_class if one.support},
        "epoch": metrics.answering.epoch,
        "epochs": metrics.final.epoch,
        "checkpoints": {
            name: {"epoch": one.epoch, "accuracy": found.accuracy, "loss": found.loss}
            for name, one in (("best", metrics.best), ("final", metrics.final))
            if one and (found := getattr(one, study.measure))
        },
        "training_seconds": metrics.training_seconds,
        "command_seconds": seconds,
    }
    return row, {k: v for k, v in run.environment.items() if k != "command"}


def _wait_for(command: list[str], alone: bool) -> int:
    """Run a command; one that Ctrl+C stopped, after it saved and reported, stops the study.

    Args: alone: it may write to the terminal; else it is heard of only if it fails.
    """
    heard = None if alone else subprocess.PIPE
    with _trainings.one(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=heard)
    ) as child:
        said = child.communicate()[1]
    if child.returncode == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if child.returncode and not alone:
        sys.stderr.buffer.write(said)
    return exit_status(child.returncode)


class _Trainings:
    """Those under way: SIGTERM stops them, and they the study; else they would go on alone."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    @contextlib.contextmanager
    def one(self, child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        self._running.add(child)
        try:
            if self.stopped:  # between two of them
                child.terminate()
            with child:
                yield child
        finally:
            self._running.discard(child)

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        for child in [*self._running]:
            child.terminate()


_trainings = _Trainings()


@contextlib.contextmanager
def _passing_on_sigterm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets the main thread alone set handlers
        return
    _trainings.stopped = False
    before = signal.signal(signal.SIGTERM, _trainings.stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _outcome(row: Mapping[str, Any]) -> str:
    if "diverged" in row:
        return "diverged"
    return (
        f"{100 * row['accuracy']:.2f} % in {row['training_seconds']:.1f} s, "
        f"{row['command_seconds']:.1f} s in all"
    )


def _folder_name(variant: str) -> str:
    return variant.replace(" ", "-").replace("/", "-")
