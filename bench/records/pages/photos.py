"""docs/photos.md: real photos, and what the package as a whole says of them."""

import json
import re

from bench.records.page import Page
from bench.records.reading import Records, Row, mean, wilson

FITS = {
    "dress": "Dress",
    "longsleeve": "Pullover, Coat or Shirt",
    "outwear": "Coat or Pullover",
    "pants": "Trouser",
    "shirt": "Shirt",
    "shoes": "Sandal, Sneaker or Ankle boot",
    "t-shirt": "T-shirt/top",
}
"""What counts as right for each kind of photo."""


def check(page: Page, records: Records) -> None:
    """Hold the section against its records."""
    _package(page, records)
    _made(page, records)
    _tuned(page, records)


def macro(classes: Row) -> float:
    """Mean over the kinds of clothes of the share that is right, in per cent."""
    return 100 * mean(row["accuracy"] for row in classes.values())


def macro_interval(classes: Row) -> tuple[float, float]:
    """Its 95 % interval in per cent: G. Y. Zou's and A. Donner's, from Wilson's of each kind."""
    below = above = 0.0
    for row in classes.values():
        low, high = wilson(row["accuracy"] * row["n"], row["n"])
        below += (100 * row["accuracy"] - low) ** 2
        above += (high - 100 * row["accuracy"]) ** 2
    centre, kinds = macro(classes), len(classes)
    return centre - below**0.5 / kinds, centre + above**0.5 / kinds


def readings_before(records: Records, record: str) -> int:
    """How often the held-out half had been read before that record was made."""
    lines = map(json.loads, records.text("held-out-photos.jsonl").splitlines())
    return max(line["reading"] for line in lines if line["record"] == record) - 1


def kind_rows(record: Row) -> list[list[str]]:
    """The table: what counts, photos, share right and its interval, a kind a row, and the mean."""
    classes = record["real_photos"]["held_out"]["classes"]
    rows = []
    for kind, row in classes.items():
        low, high = wilson(row["accuracy"] * row["n"], row["n"])
        share = f"{100 * row['accuracy']:.1f} %"
        rows.append([kind, FITS[kind], str(row["n"]), share, f"{low:.1f} - {high:.1f} %"])
    low, high = macro_interval(classes)
    photos = sum(row["n"] for row in classes.values())
    ends = f"{low:.1f} - {high:.1f} %"
    return [*rows, ["mean of the seven", "", f"{photos:,}", f"{macro(classes):.1f} %", ends]]


def _package(page: Page, records: Records) -> None:
    record = records.json("photos-box.json")
    real = record["real_photos"]["held_out"]
    for cells in kind_rows(record):
        page.row(*cells)
    page.says("{:,} photos of clothes on floors", sum(row["n"] for row in real["classes"].values()))
    alone = records.json("photos.json")["real_photos"]["held_out"]
    page.says("`photo` alone has {:.1f} %", macro(alone["classes"]))
    page.says("had been read {} times before", readings_before(records, "photos-box.json"))
    page.says("an AUROC of {:.3f}", real["none_of_them"]["auroc"])
    strange = record["strange"]["kinds"]["all"]["warned"]
    page.row("noise, gradients, text, digits and shapes", f"{100 * strange:.0f} %")
    page.row(
        "photos of hats, shorts and skirts, which the models do not know",
        f"{100 * real['none_of_them']['warned']:.0f} %",
    )
    known = [100 * row["warned"] for row in real["classes"].values()]
    page.row(
        "photos of the kinds that they know, by kind", f"{min(known):.0f} to {max(known):.0f} %"
    )
    said = real["calibration"]
    page.says(
        "its first class {:.0f} % on average, and this class fits the photo, as\nthe table counts, "
        "for {:.0f} %",
        100 * said["mean_confidence"],
        100 * said["mean_accuracy"],
    )
    page.says("For {:.0f} % of the photos\n`may_be` holds", 100 * said["sets_cover"])
    page.settings("(95 % asked for)")
    page.says("with {:.1f} classes on average", said["mean_set_size"])


def _made(page: Page, records: Records) -> None:
    made = records.json("photos-box.json")["imitated"]
    lost = [row["points_lost"] for row in made["conditions"].values()]
    page.says("measured on\n{:,} test images: {:.1f} % are right", made["n"], 100 * made["clean"])
    page.says("no background costs more than {:.1f} points", max(lost))
    text = records.text("trials/shaded-ground.txt")
    page.row("clean", f"{re.findall(r'clean ([0-9.]+) %', text)[-1]} %")
    for ground, name in (
        ("a mild vignette", "mild vignette"),
        ("blotches", "blotches of 8 pixels"),
    ):
        found = re.findall(rf"^{name}\b.*? ([\d.]+)  ([\d.]+) ", text, re.MULTILINE)[0][1]
        page.row(ground, f"{found} %")
    page.says("on {} validation", re.findall(r"Other grounds, (\d+) of these images", text)[0])


def _tuned(page: Page, records: Records) -> None:
    record = records.json("photos-fine-tuned.json")
    alone = records.json("photos.json")["real_photos"]["held_out"]
    page.row("nothing", f"{macro(alone['classes']):.1f} %", "")
    for on, result, rest in (
        ("half of the photos", record["test"], "half"),
        ("four fifths", record["with_four_fifths"]["test"], "fifth"),
    ):
        page.row(
            on,
            f"{100 * result['macro_accuracy_as_in_photos_json']:.1f} % of the other {rest}",
            f"{100 * result['macro_accuracy']:.1f} %",
        )
