"""The fields of a recipe: what each means, and the values that are allowed."""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from typing import Any

from fashion_cnn.errors import UsageError

MOST = 2**53
"""Of any whole number: no larger one is read out of JSON exactly by every program."""

MOST_SIZE = 1e30
"""Of a number without another bound: what PyTorch takes for a float32, with room to multiply."""

_LONGEST_NAME = 100


def flag(item: dataclasses.Field[Any]) -> str:
    """The command-line flag that sets a field."""
    return "--" + (item.metadata["flag"] or item.name).replace("_", "-")


def with_flag(item: dataclasses.Field[Any]) -> str:
    """A field's name, and its flag where that is not the name's."""
    return f"{item.name} ({flag(item)})" if item.metadata["flag"] else item.name


def nearest(word: str, known: list[str]) -> str:
    """Offer the known word that looks most like `word`: " (did you mean …?)", or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def format_value(value: Any) -> str:
    """Write a field's value for people."""
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def shown(value: Any) -> str:
    """The beginning of a value out of anybody's file, for a message."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):  # thousands of digits, or of lists in lists
        return f"too long to show ({type(value).__name__})"


def check_value(item: dataclasses.Field[Any], value: Any) -> None:
    """Raise `UsageError`, naming the field and what is allowed, for a value that is not."""
    rule, wanted = item.metadata, type(item.default)
    said = with_flag(item)
    if type(value) is not wanted:
        raise UsageError(f"{said} is {shown(value)}; it must be of type {wanted.__name__}")
    if wanted is str and not _can_be_given(value):
        raise UsageError(f"{said} is {shown(value)}; it must be text without NUL, of whole letters")
    theirs = any(re.fullmatch(pattern, value) for pattern in rule["forms"].values())
    if rule["choices"] and value not in rule["choices"] and not theirs:
        more = "".join(f", or {form}" for form in rule["forms"])
        raise UsageError(
            f"{said} is {shown(value)}{nearest(value, list(rule['choices']))}; "
            f"it must be one of {', '.join(rule['choices'])}{more}"
        )
    if wanted in (int, float):
        above = value > rule["low"] if rule["open_low"] else value >= rule["low"]
        below = value < rule["high"] if rule["open_high"] else value <= rule["high"]
        counts = math.isfinite(value) if wanted is float else value <= MOST
        if not (above and below and counts):
            raise UsageError(f"{said} is {shown(value)}; it must be {_range(wanted, rule)}")


def check_folder_name(said: str, name: str) -> None:
    """Raise `UsageError` unless a name out of a file can be that of a folder, below any other."""
    if not (
        0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and name == name.strip()
        and not name.startswith((".", "-", "~"))
        and not {*name} & {"/", "\\"}
    ):
        raise UsageError(
            f"{said} is {name!r:.60}; it must be 1 to {_LONGEST_NAME} printable characters that a "
            "folder may be called, without / and not beginning with . - or ~"
        )


def _can_be_given(text: str) -> bool:
    """Whether text can be a word of a command line, a path for instance, in UTF-8 or not."""
    try:
        return b"\0" not in text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False


def _range(wanted: type, rule: Mapping[str, Any]) -> str:
    kind = "a whole number" if wanted is int else "a number"
    low = f"{'above' if rule['open_low'] else 'of at least'} {rule['low']}"
    if rule["high"] == math.inf:
        return f"{kind} {low} and {'at most 2^53' if wanted is int else 'below infinity'}"
    return f"{kind} {low} and {'below' if rule['open_high'] else 'at most'} {rule['high']}"
