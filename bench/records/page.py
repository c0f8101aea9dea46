"""A page: its numbers, and which of them a record stands behind."""

import re
from collections.abc import Iterator
from string import Formatter
from typing import NamedTuple

NUMBER = re.compile(r"(?<![\w.,])(?<![A-Za-z]-)[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?!\d)")
"""Not what is part of a name: AVX-512, float32, SHA-256."""

NO_FIGURE = {
    "a fenced block": r"^```.*?^```",
    "code": r"``.+?``|`[^`]+`",
    "a comment or tag": r"<!--.*?-->|<[a-zA-Z/][^>]*>",
    "where a link leads": r"\]\([^)]*\)|https?://\S+",
    "a date": r"\b\d{4}-\d\d-\d\d\b",
    "a paper": r"\barXiv[: ]\d{4}\.\d{4,5}\b",
    "a version or address": r"(?<![\w.])\d+\.\d+\.\d+(?:\.\d+)*",
    "a program's version": r"\b(?:Python|PyTorch|torch|torchvision|TensorFlow|Keras|JAX) \d[\d.]*",
    "a size": r"(?<![\w.])\d+ ?x ?\d+(?: ?x ?\d+)*(?!\w)",
    "the name of an interval": r"\b95 % (?=interval)",
    "the number of a list's item": r"^ *\d+\. ",
    "a reference": r"\[\d+\](?!\()",
}
"""What has digits and is no figure, by its form."""

NOT_KEPT = re.compile(r"\bnot\s+kept\b")


class Fault(NamedTuple):
    """What is wrong, and where."""

    page: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.what}"


class Page:
    """Text with figures in it.

    Args:
        name: what faults call it.
        text: all of it.
        history: the page is a log: a paragraph may say that its readings are "not kept".
        quoting: what is required may be missing, as a wrong figure then has no record.
    """

    def __init__(self, name: str, text: str, history: bool = False, quoting: bool = False) -> None:
        self.name, self.text, self.history, self.quoting = name, text, history, quoting
        self.faults: list[Fault] = []
        self._covered: set[int] = set()
        blank = text
        for pattern in NO_FIGURE.values():
            blank = re.sub(pattern, _blank, blank, flags=re.MULTILINE | re.DOTALL)
        self._numbers = list(NUMBER.finditer(blank))

    def says(self, template: str, *values: object) -> None:
        """Require a sentence, or a part of one, with these figures in its fields.

        White space is folded: line breaks do not matter. Only what is in the fields counts as
        having a record; a number in the rest of the template does not.

        Args:
            template: as for `str.format`; it needs a word beside its fields, so that it says what
                the figures are of.
            values: what the records say, one for each field.
        """
        literals, specs = zip(
            *((text, spec) for text, _, spec, _ in Formatter().parse(template)), strict=True
        )
        fields = [spec for spec in specs if spec is not None]
        if len(fields) != len(values) or not fields:
            raise ValueError(f"{template!r} has {len(fields)} fields for {len(values)} figures")
        if not re.search(r"[A-Za-z%|]", "".join(literals)):
            raise ValueError(f"{template!r} does not say what its figures are of")
        written = [format(value, spec) for value, spec in zip(values, fields, strict=True)]  # type: ignore[arg-type]
        found = self._find(_pattern(literals, [re.escape(one) for one in written]))
        if not found and not self.quoting:
            self._explain(template, literals, written)

    def row(self, *cells: str) -> None:
        """Require a row of a table, cell by cell; all numbers in it then have a record."""
        middle = r"\|".join(f" *{_fold(cell)} *" for cell in cells)
        pattern = rf"^\|({middle})\|$"
        if not self._find(pattern) and not self.quoting:
            shown = f"| {' | '.join(cells)} |"
            line = next(
                (
                    self._line(found.start())
                    for found in re.finditer(
                        rf"^\|\s*{_fold(cells[0])}\s*\|.*$", self.text, re.MULTILINE
                    )
                ),
                1,
            )
            self.faults.append(Fault(self.name, line, f"by the records the row is {shown}"))

    def settings(self, *sentences: str) -> None:
        """Name what is no figure: choices and limits, in the words in which they stand."""
        for sentence in sentences:
            if not re.search(r"[A-Za-z]{3,}", sentence):
                raise ValueError(f"{sentence!r} needs words around its numbers")
            if not self._find(f"({_fold(sentence)})") and not self.quoting:
                self.faults.append(Fault(self.name, 1, f"a setting is not here: {sentence!r}"))

    def fault(self, what: str) -> None:
        """Note what is wrong and is no number."""
        self.faults.append(Fault(self.name, 1, what))

    def numbers_without_record(self) -> Iterator[tuple[re.Match[str], str]]:
        """Give each number that nothing covers yet, with the paragraph that it stands in."""
        numbers = iter(one for one in self._numbers if one.start() not in self._covered)
        number = next(numbers, None)
        for start, end, excused in self._paragraphs():
            while number and number.start() < end:
                if not excused:
                    yield number, self.text[start:end]
                number = next(numbers, None)

    def cover(self, number: re.Match[str]) -> None:
        """Take it that this number has a record."""
        self._covered.add(number.start())

    def finish(self) -> list[Fault]:
        """All that is wrong: sentences that differ from the records, numbers without one."""
        left = [
            Fault(
                self.name,
                self._line(found.start()),
                f"no record says {found[0]} ({self._around(found)})",
            )
            for found, _ in self.numbers_without_record()
        ]
        return sorted({*self.faults, *left})

    def _find(self, pattern: str) -> bool:
        matches = list(re.finditer(pattern, self.text, re.MULTILINE))
        for match in matches:
            spans = [match.span(group + 1) for group in range(match.re.groups)]
            self._covered |= {
                number.start()
                for number in self._numbers
                if any(start <= number.start() and number.end() <= end for start, end in spans)
            }
        return bool(matches)

    def _explain(self, template: str, literals: tuple[str, ...], written: list[str]) -> None:
        records = ", ".join(written)
        number = r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?"
        loose = [number if re.fullmatch(number, one) else r".*?" for one in written]
        near = list(re.finditer(_pattern(literals, loose), self.text))
        for match in near:
            what = f"says {', '.join(match.groups())} where the records say {records}: {template!r}"
            self.faults.append(Fault(self.name, self._line(match.start(1)), what))
        if not near:
            self.faults.append(Fault(self.name, 1, f"is to say {template!r} with {records}"))

    def _paragraphs(self) -> Iterator[tuple[int, int, bool]]:
        """Give start and end of each, and whether its readings need no record."""
        rest_of_entry = False
        for block in re.finditer(r"(?:^.*\S.*(?:\n|\Z))+", self.text, re.MULTILINE):
            if block[0].startswith("#"):
                rest_of_entry = False
            rest_of_entry |= block[0].startswith("**Readings not kept.**")
            yield *block.span(), self.history and (rest_of_entry or bool(NOT_KEPT.search(block[0])))

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def _around(self, found: re.Match[str]) -> str:
        start, end = max(0, found.start() - 30), found.end() + 30
        return " ".join(self.text[start:end].split())


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _fold(text: str) -> str:
    return r"\s+".join(re.escape(word) for word in re.split(r"\s+", text))


def _pattern(literals: tuple[str, ...], fields: list[str]) -> str:
    """Fields as groups that begin and end where a number does."""
    guarded = [rf"(?<![\d.,])({field})(?![\d]|[.,]\d)" for field in fields]
    parts = []
    for index, literal in enumerate(literals):
        parts += [_fold(literal), *guarded[index : index + 1]]
    return "".join(parts)
