"""docs/log.md: history. A number must stand in a record that its entry links, or be "not kept".

An entry is too old and too long to be taken apart sentence by sentence as the other pages are. So a
number passes where it is, at the precision in which it is written, among what the entry's linked
records hold: their values, those times 100, means and deviations over the runs of a study and
paired differences. That is weaker: a small number is found by chance in a large record. What
carries a conclusion deserves `page.says` here too. A paragraph with readings that no record has
says so ("... that is not kept"), or its entry begins with "**Readings not kept.**".

History does not change: the figures of each entry, in their order, are also in log_figures.json
beside this file, so a digit altered here alone is noticed where a record holds the altered one too.
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from bench.records.page import NUMBER, Page
from bench.records.reading import (
    CONFUSED,
    REPOSITORY,
    Records,
    deviation,
    differences,
    mean,
    median,
    percents,
    student,
)

LINK = re.compile(r"\]\((results/[^)#]+)\)")
FIGURES = Path(__file__).with_name("log_figures.json")
"""By an entry's title: its figures in their order."""


def check(page: Page, records: Records) -> None:
    """Look every number up in what its entry links; hold the conclusions word by word."""
    _how_best_was_chosen(page, records)
    _balanced(page, records)
    page.settings("Foret et al. 2020", "Kim et al. 2021", "Qin et al. 2023")
    left = list(page.numbers_without_record())
    for entry in re.finditer(r"^## .*?(?=^## |\Z)", page.text, re.MULTILINE | re.DOTALL):
        held: list[float] = []
        for link in dict.fromkeys(LINK.findall(entry[0])):
            held += values(link.removeprefix("results/"), records)
        for number, _ in left:
            if entry.start() <= number.start() < entry.end() and _among(number[0], held):
                page.cover(number)
    written = json.loads(FIGURES.read_text())
    for title, figures in entries(page.text).items():
        if figures != written.get(title):
            line = json.dumps({title: figures}, ensure_ascii=False)[1:-1]
            page.fault(f"are the figures right? Then {FIGURES.name} is to have {line}")


def entries(text: str) -> dict[str, str]:
    """By its title, the figures of each entry: its numbers but for those in dates and links."""
    found = {}
    for entry in re.finditer(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        plain = re.sub(r"\]\([^)]*\)|\d{4}-\d\d-\d\d", " ", entry[2])
        found[entry[1]] = " ".join(re.findall(r"[+-]?\d[\d,.]*\d|\d", plain))
    return found


def _how_best_was_chosen(page: Page, records: Records) -> None:
    best = records.json("best/metrics.json")["final"]["test"]["accuracy"]
    page.says("third, {:.2f} %, as the reason to keep it", 100 * best)
    mixed, plain = (
        records.csv(f"trials/resnet-42-epochs-{name}/history.csv")[-1]["val_accuracy"]
        for name in ("cutmix-erasing", "balanced")
    )
    page.says("network of `balanced` has {:.2f} %", 100 * mixed)
    page.says("of `balanced` itself {:.2f} %", 100 * plain)
    epochs = [
        json.loads(records.text(f"{name}/recipe.json"))["epochs"]
        for name in ("trials/wide-resnet-36-epochs-cutmix", "trials/wide-resnet-width-16-sgd")
    ]
    page.says("resolution with CutMix for {} epochs", epochs[0])
    page.says("narrow network with SGD for {} (", epochs[1])


def _balanced(page: Page, records: Records) -> None:
    rows = records.json("balanced/evaluations.json")["runs"]
    for name, words in (("accuracy", "alone"), ("tta_accuracy", "with mirror images")):
        own = [100 * row[name] for row in rows]
        page.says(f"{{:.2f}} ± {{:.2f}} % {words}", mean(own), deviation(own))
    sets = [row["conformal"] for row in rows]
    page.says(
        "true class of {:.2f}, {:.2f}, {:.2f} and {:.2f} % of the test images",
        *(100 * one["coverage"] for one in sets),
    )
    sizes = [one["mean_size"] for one in sets]
    assert sizes[1:3] == [1, 1], "the page says that those of seeds 2 and 3 have one class each"
    page.says("seeds 1 and 4 have {} and {} classes", sizes[0], sizes[3])
    page.settings("those of seeds 2 and 3 have one class each", "near the 95 % asked for")


def values(path: str, records: Records) -> list[float]:
    """All that a record, or a folder of them, holds or comes to."""
    folder = REPOSITORY / "docs/results" / path
    if folder.is_dir():
        files = sorted(file for file in folder.rglob("*") if file.is_file())
    else:
        files = [folder]
    found: list[float] = []
    for file in files:
        name = file.relative_to(REPOSITORY / "docs/results").as_posix()
        match PurePosixPath(name).suffix:
            case ".json":
                held = records.json(name)
                found += [*_leaves(held), *_of_study(held)]
            case ".csv":
                found += [value for row in records.csv(name) for value in row.values()]
            case ".jsonl":
                found += [
                    x for line in records.text(name).splitlines() for x in _leaves(json.loads(line))
                ]
            case ".txt" | ".md" | ".toml":
                text = records.text(name)
                found += [float(one[0].replace(",", "")) for one in NUMBER.finditer(text)]
    return [*found, *(100 * value for value in found)]


def _among(written: str, held: list[float]) -> bool:
    value = float(written.replace(",", ""))
    step = 10.0 ** -len(written.partition(".")[2])
    return any(abs(abs(value) - abs(one)) <= step / 2 + 1e-9 for one in held)


def _leaves(held: Any) -> Iterator[float]:
    if isinstance(held, dict):
        for value in held.values():
            yield from _leaves(value)
    elif isinstance(held, list):
        yield float(len(held))
        for value in held:
            yield from _leaves(value)
    elif isinstance(held, int | float):
        yield float(held)
    elif isinstance(held, str):
        yield from (float(one[0].replace(",", "")) for one in NUMBER.finditer(held))


def _of_study(held: Any) -> Iterator[float]:
    """Mean, deviation, paired differences; accuracies in per cent, so divided by 100 here."""
    if not isinstance(held, dict) or "variants" not in held:
        return
    for variant, quantity in product(held["variants"], ("accuracy", "ece", *CONFUSED)):
        own = list(percents(held, variant, quantity).values())
        if len(own) > 1:
            yield from (mean(own) / 100, deviation(own) / 100)
        for first in held["variants"]:
            if first != variant and (pairs := differences(held, variant, first, quantity)):
                yield from (value / 100 for value in student(pairs))
    for variant in held["variants"]:
        rows = [row for row in held["runs"] if row["variant"] == variant]
        for key in ("training_seconds", "command_seconds", "loss"):
            if found := [row[key] for row in rows if key in row]:
                yield from (mean(found), median(found))
