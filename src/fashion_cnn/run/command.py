"""The commands on a run that a person is told to type."""

from pathlib import Path

from fashion_cnn.commands import command
from fashion_cnn.errors import FashionCNNError
from fashion_cnn.files import read_json


def run_command(verb: str, folder: Path, *flags: str) -> str:
    """A command on the run in a folder, for instance "evaluate", with the data that it is of.

    A run on data that are in no usual place records where they were, by an absolute path.
    """
    try:
        data_dir = read_json(folder / "split.json").get("data_dir")
    except (FashionCNNError, AttributeError, OSError):
        data_dir = None
    return command(verb, folder, *flags, *(["--data-dir", data_dir] if data_dir else []))
