"""Text that comes from anywhere, on its way to a person."""

import unicodedata


def visible(text: str) -> str:
    r"""Text for a terminal: what would move its cursor or turn its letters round is written out.

    Names of files and classes, and what an image or a run folder says, come from anywhere. Line
    ends and tabs stay; bytes of a path that are no UTF-8 become \udcXX.
    """
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode()
        if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")
        else c
        for c in text
    )


def to_utf8(text: str) -> bytes:
    r"""Text for a file; bytes of a path that are no UTF-8 become \udcXX."""
    return text.encode(errors="backslashreplace")
