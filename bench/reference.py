"""The pages of the reference that are made of the program: commands, fields, functions."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator

import click

import fashion_cnn
from fashion_cnn import api
from fashion_cnn.cli.main import _group
from fashion_cnn.cli.options import _SUBJECTS
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import flag, format_value
from fashion_cnn.recipes.recipe import Recipe

_ARRAY = re.compile(r"numpy\.ndarray\[tuple\[typing\.Any, \.\.\.\], numpy\.dtype\[numpy\.(\w+)\]\]")
_MODULE = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z]\w*)")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Source|Yields): *(.*)")


def commands() -> str:
    """A table of the commands, then each with its help as `fashion-cnn COMMAND --help` has it."""
    found = list(_commands(_group, []))
    rows = ["| command | what it does |", "|---|---|"]
    for words, said in found:
        first = said.split("\n\n")[1].split()
        rows.append(f"| [{' '.join(words)}](#{'-'.join(words)}) | {' '.join(first)} |")
    parts = [f"## {' '.join(words)}\n\n```text\n{said}\n```" for words, said in found]
    return "\n\n".join(["\n".join(rows), *parts])


def _commands(group: click.Group, before: list[str]) -> Iterator[tuple[list[str], str]]:
    for name, command in sorted(group.commands.items()):
        words = [*before, name]
        if isinstance(command, click.Group):
            yield from _commands(command, words)
        else:
            about = {**_group.context_settings, "terminal_width": 80}
            context = click.Context(command, info_name=f"fashion-cnn {' '.join(words)}", **about)
            yield words, command.get_help(context)


def fields() -> str:
    """Tables of the recipes' fields, by subject."""
    recipes = [catalog.named(name) for name in catalog.RECIPES]
    lines = []
    for item in dataclasses.fields(Recipe):
        if item.name == "name":
            continue
        if item.name in _SUBJECTS:
            lines += ["", f"## {_SUBJECTS[item.name]}", ""]
            lines += ["| field | meaning | default | other values |", "|---|---|---|---|"]
        also = f", `{flag(item)}`" if item.metadata["flag"] else ""
        default = format_value(item.default)
        others = [
            f"{recipe.name} `{value}`"
            for recipe in recipes
            if (value := format_value(getattr(recipe, item.name))) != default
        ]
        meaning = item.metadata["help"]
        if item.metadata["choices"]:
            meaning += f" ({', '.join(f'`{choice}`' for choice in item.metadata['choices'])})"
        cells = f"`{item.name}`{also}", meaning, f"`{default}`", ", ".join(others)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def functions() -> str:
    """Every public name of the package, and what they give, with signature and docstring."""
    named = {name: getattr(fashion_cnn, name) for name in fashion_cnn.__all__}
    named |= {given.__name__: given for given in (api.RunClassifier, api.Comparison)}
    parts = []
    for name, held in sorted(named.items(), key=lambda one: one[0].lower()):
        if not callable(held):
            continue
        parts.append(_documented(name, held, "##"))
        parts += [
            _documented(f"{name}.{own}", value, "###")
            for own, value in vars(held).items()
            if inspect.isclass(held)
            and not own.startswith("_")
            and isinstance(value, property | classmethod | staticmethod | type(fields))
            and inspect.getdoc(value)
        ]
    return "\n\n".join(parts)


def _documented(name: str, held: object, level: str) -> str:
    held = held.__func__ if isinstance(held, classmethod | staticmethod) else held
    head = "" if isinstance(held, property) else f"```python\n{_signature(name, held)}\n```\n\n"
    return f"{level} {name}\n\n{head}{_markdown(inspect.getdoc(held) or '')}"


def _signature(name: str, held: object) -> str:
    """As one would write it: no modules before types, a line an argument where one is too short."""
    if isinstance(held, type) and issubclass(held, Exception):
        return f"class {name}({held.__bases__[0].__name__})"
    signature = inspect.signature(held)  # type: ignore[arg-type]
    if isinstance(held, type):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    arguments = [
        _MODULE.sub("", _ARRAY.sub(r"Array[\1]", str(one)))
        for key, one in signature.parameters.items()
        if key not in ("self", "cls")
    ]
    kinds = [one.kind for key, one in signature.parameters.items() if key not in ("self", "cls")]
    if inspect.Parameter.VAR_POSITIONAL not in kinds and inspect.Parameter.KEYWORD_ONLY in kinds:
        arguments.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returns = _MODULE.sub("", _ARRAY.sub(r"Array[\1]", str(signature).rpartition(" -> ")[2]))
    returns = returns.replace("'", "")  # of what is written before it is there
    after = f" -> {returns}" if signature.return_annotation is not inspect.Signature.empty else ""
    line = f"{name}({', '.join(arguments)}){after}"
    if len(line) <= 88:
        return line
    return f"{name}(\n" + "".join(f"    {one},\n" for one in arguments) + f"){after}"


def _markdown(docstring: str) -> str:
    """A docstring of Google's form as Markdown."""
    parts = []
    for block in re.split(r"\n\s*\n", docstring):
        title, _, rest = block.partition("\n")
        if found := _SECTION.fullmatch(title):
            parts.append(f"**{found[1]}** {found[2]}".rstrip())
            parts.append("\n".join(_items(textwrap.dedent(rest), found[1] != "Returns")))
        elif block.startswith(">>>"):
            parts.append(f"```python\n{block.replace('  # doctest: +SKIP', '')}\n```")
        elif block.startswith("    "):
            parts.append(f"```python\n{textwrap.dedent(block)}\n```")
        else:
            parts.append(block)
    return "\n\n".join(part for part in parts if part)


def _items(text: str, named: bool) -> Iterator[str]:
    for item in re.split(r"\n(?=\S)", text) if named else [text]:
        name, colon, meaning = item.partition(": ")
        plain = " ".join((meaning if colon and named else item).split())
        if plain:
            yield f"- `{name}`: {plain}" if colon and named else plain
