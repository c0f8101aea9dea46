"""All pages, one after the other."""

import ast
import re
from collections.abc import Iterator, Mapping

from bench.records import rules
from bench.records.page import Fault, Page
from bench.records.pages import CHECKS, HISTORY, QUOTING
from bench.records.reading import REPOSITORY, Records, catalog, network

DOCSTRINGS = ("src/fashion_cnn/recipes/catalog.py",)
"""Modules whose docstrings are pages."""

MEASURED = re.compile(r" ?(?:%|±|points\b|times\b|[MG]FLOP|parameters\b|images a second)")
"""What follows a figure in the docstrings of other modules, where most numbers are limits."""


def names() -> list[str]:
    """Every page, by its path."""
    pages = [
        REPOSITORY / "README.md",
        *REPOSITORY.glob("docs/*.md"),
        REPOSITORY / "docs/results/README.md",
        *REPOSITORY.glob("src/fashion_cnn/shipping/pretrained/*.md"),
        *map(REPOSITORY.joinpath, DOCSTRINGS),
    ]
    return sorted(page.relative_to(REPOSITORY).as_posix() for page in pages)


def faults(
    only: str | None = None, text: str | None = None, changed: Mapping[str, str] | None = None
) -> Iterator[Fault]:
    """Find what is wrong on the pages.

    Args:
        only: the one page to check.
        text: what stands on it, in place of what does.
        changed: records with other texts, by their path below docs/results.
    """
    records = Records(changed)
    for name in names():
        if only is None or name == only:
            written = text if text is not None else (REPOSITORY / name).read_text()
            if name.endswith(".py"):
                written = docstrings(written)
            page = Page(name, written, history=name in HISTORY, quoting=name in QUOTING)
            for check in (CHECKS | QUOTING).get(name, ()):
                check(page, records)
            yield from page.finish()
            yield from rules.reasons(page)
    if only is None:
        yield from rules.trials(records)
        for source in sorted(REPOSITORY.glob("src/**/*.py")):
            name = source.relative_to(REPOSITORY).as_posix()
            if name not in DOCSTRINGS:
                yield from in_docstrings(name, source.read_text())


def in_docstrings(name: str, source: str) -> Iterator[Fault]:
    """Find figures in a module's docstrings; those of a network's size are counted by hand."""
    page = Page(name, docstrings(source))
    sizes = {"95"}  # per cent: the level of every interval and set
    for recipe in catalog().values():
        parameters, flops = network(recipe)
        sizes |= {f"{parameters:,}", f"{flops / 1e6:.1f}"}
    for number, _ in list(page.numbers_without_record()):
        if number[0] in sizes or not MEASURED.match(page.text, number.end()):
            page.cover(number)
    yield from page.finish()


def docstrings(source: str) -> str:
    """A module with all but its docstrings blank, so that lines keep their numbers."""
    kept: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if first and ast.get_docstring(node) is not None:
                kept |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = source.splitlines()
    return "\n".join(line if n in kept else "" for n, line in enumerate(lines, 1)) + "\n"
