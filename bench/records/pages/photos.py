"""README.md, "Photos": real photos, and what the package as a whole says of them."""

from bench.records.page import Page
from bench.records.reading import Records, Row, mean


def check(page: Page, records: Records) -> None:
    """Hold the section against its records."""
    _alone(page, records)
    _package(page, records.json("photos-box.json"))
    _tuned(page, records.json("photos-fine-tuned.json"))


def _macro(classes: Row) -> float:
    """Mean over the kinds of clothes of the share that is right, in per cent."""
    return 100 * mean(row["accuracy"] for row in classes.values())


def _alone(page: Page, records: Records) -> None:
    record = records.json("photos.json")
    held_out = record["real_photos"]["held_out"]
    kinds = {name: 100 * row["accuracy"] for name, row in held_out["classes"].items()}
    page.says("trained so for {} epochs (n={}, [record]", record["model"]["epochs"], 1)
    halves = record["real_photos"]
    known = sum(row["n"] for half in halves.values() for row in half["classes"].values())
    page.says("on {:,} photos of clothes on floors", known)
    page.says("{:.1f} % right on the half", _macro(held_out["classes"]))
    page.says("trousers {:.0f} %", kinds["pants"])
    page.says("in pairs from above, {:.0f} %", kinds["shoes"])
    page.says("an AUROC of {:.3f}", held_out["none_of_them"]["auroc"])


def _package(page: Page, record: Row) -> None:
    real = record["real_photos"]["held_out"]
    page.says("the package has {:.1f} % of the same half", _macro(real["classes"]))
    page.says("of {:.0f} % of noise, gradients,", 100 * record["strange"]["kinds"]["all"]["warned"])
    page.says("of {:.0f} % of the hats, shorts and skirts", 100 * real["none_of_them"]["warned"])
    known = [100 * row["warned"] for row in real["classes"].values()]
    page.says("of {:.0f} to {:.0f} % of the kinds that it knows", min(known), max(known))
    said = real["calibration"]
    page.says("it is {:.0f} % sure", 100 * said["mean_confidence"])
    page.says("sure and {:.0f} % right", 100 * said["mean_accuracy"])
    page.says("the true class of {:.0f} % of them", 100 * said["sets_cover"])
    page.settings("(95 asked for)")
    page.says("with {:.1f} classes on average", said["mean_set_size"])
    lost = [row["points_lost"] for row in record["imitated"]["conditions"].values()]
    clean = 100 * record["imitated"]["clean"]
    page.says("lose at most {:.1f} points of {:.1f} %", max(lost), clean)
    page.says("from one side ({:,} images)", record["imitated"]["n"])


def _tuned(page: Page, record: Row) -> None:
    half, more = record["test"], record["with_four_fifths"]["test"]
    page.says("it has {:.1f} % of the other half", 100 * half["macro_accuracy_as_in_photos_json"])
    page.says("same measure, {:.1f} % if only", 100 * half["macro_accuracy"])
    page.says(
        "on four fifths, {:.1f} % of the other fifth ({:.1f} %)",
        100 * more["macro_accuracy_as_in_photos_json"],
        100 * more["macro_accuracy"],
    )
