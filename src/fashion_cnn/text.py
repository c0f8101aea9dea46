"""Text that comes from anywhere, on its way to a person."""

import re
import shutil
import textwrap
import unicodedata


def visible(text: str) -> str:
    r"""Text for a terminal: what would move its cursor or turn its letters round is written out.

    Names of files and classes, and what an image or a run folder says, come from anywhere. Line
    ends and tabs stay; bytes of a path that are no UTF-8 become \udcXX.
    """
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode()
        if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else c
        for c in text
    )


def first_line(error: BaseException) -> str:
    """Of what an error says; its type's name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def to_utf8(text: str) -> bytes:
    r"""Text for a file; bytes of a path that are no UTF-8 become \udcXX."""
    return text.encode(errors="backslashreplace")


def duration(seconds: float) -> str:
    """A time for people: "9.4 s"; from two minutes on "9 min 38 s", from two hours "2 h 5 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.1f} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cell(text: str) -> str:
    """Text for a cell of a Markdown table, which a bar would end."""
    return text.replace("|", "\\|")


def aligned(markdown: str) -> str:
    """Markdown for a terminal: tables in columns, numbers to the right; lines as wide as it is.

    A command stays on its line, whole, so that it can be pasted.
    """
    lines: list[str] = []
    rows: list[list[str]] = []
    for line in [*markdown.split("\n"), ""]:
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([one.strip().replace("\\|", "|") for one in cells])
            continue
        if rows:
            lines += _columns(rows)
            rows = []
        indent = line[: len(line) - len(line.lstrip())]
        pasted = line.lstrip().startswith("fashion-cnn ")
        lines += [line] if pasted else folded(line, rest=indent) or [""]
    return "\n".join(lines[:-1])


def folded(text: str, first: str = "", rest: str = "", least: int = 0) -> list[str]:
    """Lines as wide as the terminal, 80 columns where there is none, of whole words.

    Args:
        first, rest: what the first line and the others begin with.
        least: columns that they have in any case.
    """
    return textwrap.wrap(
        text,
        max(shutil.get_terminal_size().columns, least),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns(rows: list[list[str]]) -> list[str]:
    head, _, *body = rows
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    numbers = [
        all(not cell or cell[0] in "+-–0123456789" for cell in column)
        for column in zip(*body, strict=True)
    ]
    numbers = numbers or [False] * len(head)

    def row(cells: list[str]) -> str:
        columns = zip(cells, widths, numbers, strict=True)
        return "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in columns).rstrip()

    return [row(head), "  ".join("-" * width for width in widths), *map(row, body)]
