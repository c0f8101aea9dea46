"""The data set that a run is of, as its folder records it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_cnn.data.arrays import FOLDER
from fashion_cnn.data.fashion_mnist import (
    CLASS_NAMES,
    FASHION_MNIST,
    SHA256,
    DataSet,
    find_data,
    named_directory,
)
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.framing import AS_PUBLISHED, Framing
from fashion_cnn.data.manifest import check_class_names, in_one_form
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError
from fashion_cnn.run.folder import Run


def describe_data(data: DataSet, named: str | Path | None) -> dict[str, Any]:
    """What a run's `split.json` records of its data set.

    Args: named: the folder that a person named for it, if any; it is needed to find it again.
    """
    contents = data.contents
    if not is_fashion_mnist(contents.sha256):
        named = named or named_directory()
    found = {
        "data": contents.name,
        "class_names": list(contents.class_names),
        "framing": str(contents.framing),
    }
    return found | ({"data_dir": str(Path(named).resolve())} if named else {})


def data_of(run: Run, named: str | Path | None, say: Callable[[str], None]) -> Path:
    """Find the data set that a run was trained on.

    Args:
        named: the folder that a person named; without it the one that the run records, while that
            holds the same, then the usual places.
        say: as for `data_directory`.

    Raises:
        DataError: it is not to be had there.
    """
    if named is not None:
        return data_directory(named, say)
    recorded, name = run.split.get("data_dir"), str(run.split.get("data", FASHION_MNIST))
    why = ""
    for place in [Path(recorded), FOLDER / name] if recorded else [FOLDER / name]:
        try:
            if place.is_dir() and (directory := find_data(place)):
                check_same_data(run, DataSet.open(directory))
                return directory
        except (DataError, OSError) as error:
            why = why or f" ({error})"
    theirs = not is_fashion_mnist(run.environment.get("data_sha256"))
    if theirs and named_directory() is None:
        where = f"; they were in {recorded}" if recorded else ""
        raise DataError(
            f"{run.path} is a run on {name}, whose images are not found{where}{why}; name their "
            "folder with --data-dir FOLDER"
        )
    return data_directory(None, say)


def is_fashion_mnist(data_sha256: Mapping[str, str] | None) -> bool:
    """Whether these are its files, whatever the folder is called.

    Args: data_sha256: as a run records them; None for one from before there were other data sets.
    """
    return data_sha256 is None or dict(data_sha256) == dict(SHA256)


def data_words(directory: Path, data_sha256: Mapping[str, str] | None, *, named: bool) -> list[str]:
    """The words that name a data set to `train`; none for Fashion-MNIST, which it finds.

    Args: named: whether a person named the folder: then it is named on.
    """
    return ["--data-dir", str(directory)] if named or not is_fashion_mnist(data_sha256) else []


def class_names_of(run: Run) -> tuple[str, ...]:
    """The classes that a run tells apart.

    Runs from before there were others, which record none, are of Fashion-MNIST.

    Raises:
        UsageError: the record was altered beyond use.
    """
    names = run.split.get("class_names", CLASS_NAMES)
    try:
        check_class_names(names, "class_names")
    except DataError as error:
        raise UsageError(f"{run.path} does not say what its classes are: {error}") from None
    return tuple(map(in_one_form, names))


def framing_of(run: Run) -> Framing:
    """How the objects lie in a run's images; as in Fashion-MNIST's where that is not recorded.

    Raises:
        UsageError: the record was altered beyond use.
    """
    try:
        return Framing.parse(run.split.get("framing", str(AS_PUBLISHED)))
    except (AttributeError, UsageError) as error:
        raise UsageError(f"{run.path} does not say how its images lie: {error}") from None


def check_same_data(run: Run, data: DataSet) -> None:
    """Raise `DataError` unless a folder says that it holds what the run was trained on."""
    contents = data.contents
    trained_on = run.environment.get("data_sha256", SHA256)
    if trained_on != dict(contents.sha256) or class_names_of(run) != contents.class_names:
        name = run.split.get("data", FASHION_MNIST)
        raise DataError(
            f"{run.path} is a run on {name} and {data.directory} holds {contents.name}, or another "
            "state of it; name the right folder with --data-dir FOLDER"
        )


def images_of(runs: Sequence[Run], data: DataSet, part: str, purpose: str) -> Split:
    """Open the images that runs were evaluated on, to show them.

    Args:
        part: "test", which opens the test set and is counted in each run; or "validation".
        purpose: of opening it, for the log.

    Raises:
        DataError: the data set is not that of the runs, or not what it should be.
    """
    for run in runs:
        check_same_data(run, data)
    if part != "test":
        return data.divided(runs[0].recipe).validation
    for run in runs:
        with run.lock():
            run.record_test_reading(purpose=purpose)
    return data.test()
