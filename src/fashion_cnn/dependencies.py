"""What the package needs and which extra brings it, as pyproject.toml says it."""

import importlib.metadata
import re
from pathlib import Path

_BROUGHT_BY = {
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu",
    "mlflow": "mlflow-skinny",
    "torchvision": "timm",
    "huggingface_hub": "huggingface-hub",
}
"""The distributions of modules that are not called after them."""


def libraries() -> dict[str, list[str]]:
    """The libraries needed, by the extra that names them; "" for those that are always needed."""
    found: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("fashion-cnn") or ():
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
    """What installs an extra: from the clone where the person stands in one, else by its name."""
    try:
        here = 'name = "fashion-cnn"' in Path("pyproject.toml").read_text()
    except (OSError, ValueError):
        here = False
    return f"pip install '{'.' if here else 'fashion-cnn'}[{extra}]'"
