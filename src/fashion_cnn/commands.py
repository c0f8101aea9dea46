"""The commands that a person is told to type."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePath


def command(*words: object, program: Sequence[str] = ("fashion-cnn",)) -> str:
    """A command of this package that does what it says when it is pasted into a shell.

    Args:
        words: what comes behind `program`: a path with a blank in it is one of them, and one that
            begins with a dash is told from an option.
        program: what starts it.
    """
    return pasted([*program, *map(_word, words)])


def pasted(words: Iterable[str]) -> str:
    """Words for a shell, quoted; what a terminal would not show, or not give back, is written out.

    That is done as bash, zsh and ksh read it: $'…'.
    """
    return " ".join(
        shlex.quote(word) if word.isprintable() else f"$'{''.join(map(_escaped, word))}'"
        for word in words
    )


def _word(word: object) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, PurePath) and text.startswith("-") else text


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "'\\":
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
