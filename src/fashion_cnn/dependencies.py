"""What the package needs and which extra brings it, as pyproject.toml says it."""

import importlib.metadata
import json
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_BROUGHT_BY = {
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu",
    "mlflow": "mlflow-skinny",
    "torchvision": "timm",
    "huggingface_hub": "huggingface-hub",
}
"""The distributions of modules that are not called after them."""


def libraries() -> dict[str, list[str]]:
    """The libraries needed, by the extra that names them; "" for those that are always needed.

    Empty where the package is not installed: a clone's scripts run without.
    """
    with suppress(importlib.metadata.PackageNotFoundError):
        return _by_extra(importlib.metadata.requires("fashion-cnn") or ())
    return {}


def _by_extra(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        name, extra = re.match(r"[\w.-]+", line), re.search(r'extra == "(.+)"', line)
        assert name
        if name[0] != "fashion-cnn":
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def extra_with(module: str) -> str | None:
    """The extra that brings a module for those who lack it; None if there is none."""
    library = _BROUGHT_BY.get(module, module)
    return next((extra for extra, names in libraries().items() if extra and library in names), None)


def install_command(extra: str) -> str:
    """What installs an extra: out of the folder that the package came from, else by its name."""
    return f"pip install {shlex.quote(f'{_source()}[{extra}]')}"


def _source() -> str:
    """The clone that pip installed the package from, if that is still there; else its name."""
    with suppress(
        importlib.metadata.PackageNotFoundError, KeyError, OSError, TypeError, ValueError
    ):
        origin = importlib.metadata.distribution("fashion-cnn").read_text("direct_url.json")
        url = urlsplit(json.loads(origin or "{}")["url"])
        source = Path(url2pathname(url.path))
        if url.scheme == "file" and (source / "pyproject.toml").is_file():
            return "." if source.resolve() == Path.cwd() else str(source.resolve())
    return "fashion-cnn"
