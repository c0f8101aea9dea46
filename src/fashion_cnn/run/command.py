"""The commands on a run that a person is told to type."""

from pathlib import Path

from fashion_cnn.commands import command
from fashion_cnn.errors import FashionCNNError
from fashion_cnn.files import from_here, read_json
from fashion_cnn.recipes.networks import own_network


def run_command(verb: str, folder: Path, *flags: str) -> str:
    """A command on the run in a folder, for instance "evaluate", that does so when pasted.

    Behind it stands what it would run of the folder's, which may come from somebody else.
    """
    model = _value(folder / "recipe.json", "model")
    data_dir = _value(folder / "split.json", "data_dir")
    words = needed(model, data_dir)
    said = command(verb, from_here(folder), *flags, *words)
    if "--trust-code" in words:
        said += f" (--trust-code runs {from_here(folder)}/network.py: read that first)"
    return said


def needed(model: str | None, data_dir: str | None) -> list[str]:
    """The flags without which a command would not find the data, or the network, of a run.

    Args:
        model: its recipe's; the code of a network of one's own, of which the run keeps a copy, is
            run when that is said.
        data_dir: where its data were, if that is no usual place: an absolute path.
    """
    trust = ["--trust-code"] if model and own_network(model) else []
    return [*trust, *(["--data-dir", data_dir] if data_dir else [])]


def _value(file: Path, name: str) -> str | None:
    try:
        value = read_json(file).get(name)
    except (FashionCNNError, AttributeError, OSError):
        return None
    return value if isinstance(value, str) else None
