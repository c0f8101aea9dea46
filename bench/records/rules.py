"""The test set is sealed: two checks that nothing is chosen by it.

Trials are for choosing, so none may have opened the test set (`train --no-test`): a record below
docs/results/trials with test figures is a fault, but for those of `HISTORIC_TRIALS`, which is
closed. And a sentence that gives a test figure and a reason for a choice is a fault.

What they cannot see: a choice whose reason is not written down; a reason that stands a paragraph
away from its figure, or in words that `REASON` does not have; a trial of which no record is kept,
and one whose record calls its test images by another name.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from bench.records.page import Fault, Page
from bench.records.reading import REPOSITORY, Records

HISTORIC_TRIALS = {
    "trials/wide-resnet-36-epochs-cutmix/classification_report.txt": "a candidate for `best`, "
    "trained before this check; the pages say that `best` was chosen so",
    "trials/wide-resnet-width-16-sgd/classification_report.txt": "the same",
    "trials/photos-2026-11-24.json": "the model in the package as it then was, on test images made "
    "into photos",
    "trials/photos-box-before-shade.json": "the same",
    "trials/photos-fine-tuned-2026-11-27.json": "its test half is of photos; one of the three that "
    "validation chose among opened it",
}
"""Closed: whatever is chosen from now on is chosen without."""

HISTORIC_SENTENCES = {
    "95.34 % of the test images": "`best`, of which the pages say how it was chosen",
    "94.93 % of the test images": "a candidate for `best`, before this check",
    "Chosen: by the test accuracy of seed 0": "`best`, in its docstring",
    "Test images made into photos lost 4.2 points": "what followed was measured on validation",
}
"""By words of theirs; closed too."""

TEST = re.compile(
    r"\btest (?:images?|set|accurac\w+|reading|loss)|\b(?:on|of) test\b", re.IGNORECASE
)
FIGURE = re.compile(r"\d ?%|\d points?\b|\bpoints? (?:more|fewer|less|better|worse)\b")
REASON = re.compile(
    r"\b(?:(?:chosen|picked) (?:by|for|because|on|as)(?! validation)|we (?:chose|picked)|"
    r"because|therefore|hence|decided|is (?:no|the \w+) recipe|so (?:it is|it stays|we|this one)|"
    r"stays? out|is kept|was kept|is dropped|was dropped|made (?:us|it) the)\b",
    re.IGNORECASE,
)
FOLLOWS = re.compile(r"(?:So|Therefore|Hence|That is why|For this reason|This is why)\b")


def trials(records: Records) -> Iterator[Fault]:
    """Find trials that opened the test set."""
    folder = REPOSITORY / "docs/results"
    for file in sorted((folder / "trials").rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.suffix in {".json", ".jsonl", ".txt", ".md"} and name not in HISTORIC_TRIALS:
            for what in opened(name, records.text(name)):
                yield Fault(f"docs/results/{name}", 1, f"a trial that opened the test set: {what}")


def opened(name: str, text: str) -> Iterator[str]:
    """Give the signs in a record that test images were scored."""
    if name.endswith(".json"):
        yield from _signs(json.loads(text))
    elif name.endswith("classification_report.txt"):
        if re.search(r"\b10,?000\b", text):
            yield "a report over 10000 images"
    else:
        for line in text.splitlines():
            if TEST.search(line) and re.search(r"\b\d\d\.\d+ ?%|\b0\.\d{3,}", line):
                yield line.strip()[:60]


def _signs(held: Any) -> Iterator[str]:
    if isinstance(held, list):
        for value in held:
            yield from _signs(value)
    elif isinstance(held, dict):
        for key, sign in (("measure", "test"), ("split", "test"), ("imitated_of", "test")):
            if held.get(key) == sign:
                yield f"{key}: {sign}"
        if held.get("test_readings"):
            yield "test_readings"
        if "test" in held and "accuracy" in str(held["test"]):
            yield "accuracies below `test`"
        if "imitated" in held and "imitated_of" not in held:
            yield "imitated, without a word of which images"
        command = held.get("command")
        if isinstance(command, list) and "train" in command and "--no-test" not in command:
            yield "trained without --no-test"
        for value in held.values():
            yield from _signs(value)


def reasons(page: Page) -> Iterator[Fault]:
    """Find sentences that give a test figure as the reason for a choice."""
    text = re.sub(
        r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m[0]), page.text, flags=re.M | re.S
    )
    for block in re.finditer(r"(?:^.*\S.*(?:\n|\Z))+", text, re.MULTILINE):
        if block[0].startswith("|"):
            continue
        sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z`*(\[])", " ".join(block[0].split()))
        for sentence, after in zip(sentences, [*sentences[1:], ""], strict=True):
            figure = TEST.search(sentence) and FIGURE.search(sentence)
            if not figure or not (REASON.search(sentence) or FOLLOWS.match(after)):
                continue
            if not any(words in sentence for words in HISTORIC_SENTENCES):
                line = text.count("\n", 0, block.start()) + 1
                yield Fault(page.name, line, f"a test figure as a reason: {sentence[:160]}")
