"""README.md, "Photos": real photos, and what the package as a whole says of them."""

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
    _tuned(page, records.json("photos-fine-tuned.json"))


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
    page.says("on {:,} photos of clothes", sum(row["n"] for row in real["classes"].values()))
    page.settings("(n=1 network each")
    alone = records.json("photos.json")["real_photos"]["held_out"]
    page.says("`photo` alone has {:.1f} %", macro(alone["classes"]))
    page.says("had been read {} times before", readings_before(records, "photos-box.json"))
    page.says("an AUROC of {:.3f}", real["none_of_them"]["auroc"])
    page.says("comes for {:.0f} % of them", 100 * real["none_of_them"]["warned"])
    page.says("for {:.0f} % of made noise", 100 * record["strange"]["kinds"]["all"]["warned"])
    known = [100 * row["warned"] for row in real["classes"].values()]
    page.says("for {:.0f} to {:.0f} % of the kinds that it knows", min(known), max(known))
    said = real["calibration"]
    page.says(
        "package is {:.0f} % sure and {:.0f} % right",
        100 * said["mean_confidence"],
        100 * said["mean_accuracy"],
    )
    page.says("the true class of {:.0f} % of them", 100 * said["sets_cover"])
    page.settings("(95 asked for)")
    page.says("with {:.1f} classes on average", said["mean_set_size"])


def _made(page: Page, records: Records) -> None:
    made = records.json("photos-box.json")["imitated"]
    lost = [row["points_lost"] for row in made["conditions"].values()]
    page.says("lose at most {:.1f} points of {:.1f} %", max(lost), 100 * made["clean"])
    page.says("from one side too ({:,} images)", made["n"])
    text = records.text("trials/shaded-ground.txt")
    clean = re.findall(r"clean ([\d.]+) %", text)[-1]
    vignette, blotches = (
        re.findall(rf"^{name}\b.*? ([\d.]+)  ([\d.]+) ", text, re.MULTILINE)[0][1]
        for name in ("mild vignette", "blotches of 8 pixels")
    )
    page.says(
        "{} % right when clean, {} % are with a mild vignette and {} % on blotches",
        clean,
        vignette,
        blotches,
    )
    count = re.findall(r"Other grounds, (\d+) of these images", text)[0]
    page.says("on blotches ({} images", count)


def _tuned(page: Page, record: Row) -> None:
    half, more = record["test"], record["with_four_fifths"]["test"]
    page.says(
        "`photo` has {:.1f} % of the other half", 100 * half["macro_accuracy_as_in_photos_json"]
    )
    page.says("same measure, {:.1f} % if only", 100 * half["macro_accuracy"])
    page.says(
        "on four fifths, {:.1f} % of the other fifth ({:.1f} %;",
        100 * more["macro_accuracy_as_in_photos_json"],
        100 * more["macro_accuracy"],
    )
    page.settings("n=1 each). [docs/log.md]")
