"""docs/findings.md: the assignment's next steps."""

import re
from statistics import stdev

from bench.records.page import Page
from bench.records.reading import (
    Records,
    Row,
    between,
    differences,
    mean,
    percents,
    spread,
    student,
    study_rows,
)

PLATEAU, STEP, BOTH = "ReduceLROnPlateau", "StepLR", "erasing + StepLR"
KEPT = ("baseline", PLATEAU, STEP, "early stopping")
"""Variants of which the last epoch is known; the last one trains as the first until it stops."""

STUDENT = "{:+.2f} ({:+.2f} to {:+.2f})"
_NUMBER = r"([+-]?[\d.]+)"
BARE = "{:+.2f}, {:+.2f} to {:+.2f}"


def check(page: Page, records: Records) -> None:
    """Hold the page against the study, its histories and the one reading of the test set."""
    study = records.json("findings/study.json")
    for cells in (*study_rows(study), *checkpoint_rows(records, study)):
        page.row(*cells)
    page.row("MobileNetV2 from ImageNet", "0", "not measured: see below", "", "", "")
    imagenet = records.json("imagenet/study.json")
    moved, nothing = (
        list(percents(imagenet, f"54,000 images, from {start}").values())
        for start in ("ImageNet", "nothing")
    )
    page.settings("After one epoch on 54,000 images")
    page.says("it has {:.2f} ± {:.2f} %", mean(moved), stdev(moved))
    page.says("and {:.2f} ± {:.2f} % from nothing", mean(nothing), stdev(nothing))
    page.says("from nothing (n={};", len(nothing))
    _how(page, study)
    _checkpoints(page, records, study)
    _intervals(page, records, study)
    _classes(page, study)
    _test_set(page, records)


def at(records: Records, study: Row, variant: str, checkpoint: str) -> list[float]:
    """Validation accuracy in per cent at "best" or "final", a seed a value, by the histories."""
    found = []
    for row in study["runs"]:
        if row["variant"] == variant:
            of = "baseline" if variant == "early stopping" else variant
            history = records.csv(f"findings/histories/{of}-seed-{row['seed']}.csv")
            history = history[: int(row["epochs"])]
            best = min(history, key=lambda epoch: epoch["val_loss"])
            epoch = best if checkpoint == "best" else history[-1]
            found.append(100 * epoch["val_accuracy"])
    return found


def gain(records: Records, study: Row, variant: str, checkpoint: str) -> list[float]:
    """The same, less what the baseline answers with."""
    first = at(records, study, "baseline", "best")
    return [b - a for a, b in zip(first, at(records, study, variant, checkpoint), strict=True)]


def checkpoint_rows(records: Records, study: Row) -> list[list[str]]:
    """Both checkpoints of the variants whose histories are kept."""
    rows = []
    for variant in KEPT:
        cells = [variant, str(len(study["seeds"]))]
        for name in ("best", "final"):
            values, pairs = at(records, study, variant, name), gain(records, study, variant, name)
            cells += [spread(values), "" if not any(pairs) else between(pairs)]
        rows.append(cells)
    return rows


def losses(study: Row, variant: str) -> float:
    """Mean validation loss of the checkpoints that answer."""
    return mean(row["loss"] for row in study["runs"] if row["variant"] == variant)


def last_losses(records: Records, variant: str) -> float:
    """Mean validation loss of the last epochs."""
    files = (f"findings/histories/{variant}-seed-{seed}.csv" for seed in range(3))
    return mean(records.csv(file)[-1]["val_loss"] for file in files)


def tested(records: Records) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Mean and deviation on the test set, of the baseline and the combination, and the difference.

    As `fashion-cnn compare` printed them: of these runs nothing else is kept.
    """
    text, number = records.text("findings/test.txt"), _NUMBER
    means = re.findall(rf"\(3 seeds\) \| 3 \| {number} ± {number} %", text)
    return means, re.findall(rf"\| {number} \| {number} to {number}, Student's", text)[0]


def _epochs(study: Row, variant: str, key: str) -> list[int]:
    return sorted(int(row[key]) for row in study["runs"] if row["variant"] == variant)


def _how(page: Page, study: Row) -> None:
    first = study["runs"][0]
    page.says(
        "{} variants, seeds {} to {}, {} epochs each",
        len(study["variants"]),
        study["seeds"][0],
        study["seeds"][-1],
        int(first["epochs"]),
    )
    page.says("Measured on the {:,} validation images", first["n"])
    page.settings(
        "after epoch 10, that of StepLR after 6 and 12",
        "on 2 cores of an AMD EPYC",
        "54,000 training images",
        "its interval is Student's, 95 %, of three pairs",
        "excludes 0 by chance in about every other study like this",
    )


def last_epochs(records: Records) -> list[float]:
    """The last epoch with a rate cut on plateaus less the baseline's own, seed by seed."""
    study = records.json("findings/study.json")
    pairs = (at(records, study, one, "final") for one in ("baseline", PLATEAU))
    return [b - a for a, b in zip(*pairs, strict=True)]


def _checkpoints(page: Page, records: Records, study: Row) -> None:
    plateau, step = (gain(records, study, one, "final") for one in (PLATEAU, STEP))
    page.says(f"of its last epoch is {STUDENT} points above the baseline", *student(plateau))
    page.says(f"own last epoch, which varies more: {BARE}", *student(last_epochs(records)))
    page.says(f"StepLR's last epoch has {STUDENT}", *student(step))
    apart = [a - b for a, b in zip(plateau, step, strict=True)]
    page.says(f"no difference to be seen ({BARE})", *student(apart))
    page.says(
        "loss of ReduceLROnPlateau's last epoch is {:.3f}, that of the baseline's answer {:.3f}",
        last_losses(records, PLATEAU),
        losses(study, "baseline"),
    )
    page.settings("its interval excludes 0")


def _intervals(page: Page, records: Records, study: Row) -> None:
    low_out = []
    for variant in study["variants"]:
        _, low, high = student(differences(study, variant, "baseline"))
        if low * high > 0:
            low_out.append(variant)
    assert low_out == ["targeted augmentation"], "the page says which differences leave 0 out"
    page.row(
        "targeted augmentation, lowest loss",
        between(differences(study, "targeted augmentation", "baseline")),
    )
    for name in (PLATEAU, "early stopping"):
        page.row(f"{name}, last epoch", between(gain(records, study, name, "final")))
    page.says(
        f"validation images too ({BARE})",
        *student(differences(study, BOTH, "baseline")),
    )
    page.says(
        "the mean loss from {:.3f} to {:.3f}", losses(study, "baseline"), losses(study, "erasing")
    )
    page.says(
        f"calibration error changes by {STUDENT} points",
        *student(differences(study, "erasing", "baseline", "ece")),
    )
    assert min(study["variants"], key=lambda one: losses(study, one)) == BOTH
    page.says("the lowest mean loss of all variants, {:.3f}", losses(study, BOTH))
    best, ended = _epochs(study, "shift", "epoch"), _epochs(study, "early stopping", "epochs")
    page.says("their best epochs are {} to {}", best[0], best[-1])
    page.says("checkpoint after {} to {} of 16 epochs", ended[0], ended[-1])
    page.settings("These exclude 0.", "Shifts of up to 2 pixels", "of 16 epochs, to the same")
    page.settings(
        "accuracy have intervals that contain it",
        "of these intervals contains 0",
        "70 intervals, of which some exclude 0",
    )


def _classes(page: Page, study: Row) -> None:
    weights = {
        name: student(differences(study, "class weights", "baseline", name))
        for name in ("Shirt", "T-shirt/top", "Coat", "accuracy")
    }
    page.says(
        f"Shirt {STUDENT} points, T-shirt/top {STUDENT}, Coat {STUDENT}, and the whole {STUDENT}",
        *(value for one in weights.values() for value in one),
    )
    page.says(
        "alone) loses {:.2f} ({:.2f} to {:.2f})",
        *_turned(student(differences(study, "targeted augmentation", "baseline"))),
    )
    page.says(f"Shirt gains {STUDENT}", *student(differences(study, BOTH, "baseline", "Shirt")))
    page.says(
        "a calibration error of {:.2f} % on average",
        mean(percents(study, "baseline", "ece").values()),
    )
    for name, words in (("erasing", "Erasing"), ("half the filters", "fewer filters")):
        page.says(
            f"{words} ({BARE})",
            *student(differences(study, name, "baseline", "ece")),
        )


def _turned(found: tuple[float, float, float]) -> tuple[float, float, float]:
    centre, low, high = found
    return -centre, -high, -low


def _test_set(page: Page, records: Records) -> None:
    text, number = records.text("findings/test.txt"), _NUMBER
    means, pair = tested(records)
    page.row(f"{BOTH} against the baseline, on the test set", "{} ({} to {})".format(*pair))
    page.says(
        "n=3 each, 16 epochs both, have {} ± {} and {} ± {} %. That is a paired difference of "
        "{} ({} to {})",
        *means[0],
        *means[1],
        *pair,
    )
    page.settings("n=3 each, 16 epochs both")
    changes = {
        name: re.findall(rf"^\| {name} \| .* \| {number} \|$", text, re.MULTILINE)[0]
        for name in ("Shirt", "Coat", "T-shirt/top")
    }
    page.says("Shirt {}, Coat {}, T-shirt/top {}", *changes.values())
    ends = re.findall(rf"means {number} -> {number} %", text)
    page.says("{} to {} % and {} to {} %, means of the three", *ends[0], *ends[1])
    page.settings("(`--seed` 0 to 2;")
