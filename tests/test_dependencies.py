"""What the package says it needs."""

import re
import tomllib
from pathlib import Path

import pytest

from fashion_cnn.dependencies import extra_with, libraries

REPOSITORY = Path(__file__).parents[1]


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md names each one under its extra, and no other."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    wanted = {
        extra: sorted(
            name for line in lines if (name := re.split(r"[^\w.-]", line)[0]) != "fashion-cnn"
        )
        for extra, lines in named.items()
    }
    text = (REPOSITORY / "docs/dependencies.md").read_text()
    sections = re.findall(r"^\*\*(\w+)\*\*.*\n((?:(?:- |  ).*\n)+)", text, re.MULTILINE)
    explained = {
        extra.replace("Always", ""): sorted(
            name
            for names in re.findall(r"^- (.+?): \w", rows, re.MULTILINE)
            for name in names.split(", ")
        )
        for extra, rows in sections
    }
    assert explained == wanted
    installed = {extra: sorted(names) for extra, names in libraries().items() if extra != "dev"}
    assert installed == {extra: names for extra, names in wanted.items() if extra != "dev"}


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "train"),
        ("sklearn", "understand"),
        ("jinja2", "understand"),
        ("tensorflow", "keras"),
        ("sqlalchemy", "tune"),
        ("mlflow", "track"),
        ("torchvision", "transfer"),
        ("numpy", None),
        ("nothing_known", None),
    ],
)
def test_a_module_is_known_by_its_extra(module: str, extra: str | None) -> None:
    assert extra_with(module) == extra
