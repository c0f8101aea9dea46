"""README.md, "Photos"."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Hold the figures of real photos against their records."""
    alone = records.json("photos.json")["real_photos"]["held_out"]
    page.says("{:.1f} % right on the half", 100 * alone["macro_accuracy"])
    page.says("an AUROC of {:.3f}", alone["none_of_them"]["auroc"])
