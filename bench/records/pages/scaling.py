"""docs/scaling.md: what several ranks cost."""

from bench.records.page import Page
from bench.records.reading import Records, catalog, median

MESSAGES = 4 + 1 + 2 * (3 + 2)
"""Of a step of `fast`: buckets of the gradient, the agreement, two for each batch norm."""


def check(page: Page, records: Records) -> None:
    """Hold the measurements against their record."""
    page.settings(
        "exactly 10,000 test images",
        "itself waits 30 seconds",
        "on the same 2 cores of an AMD EPYC",
    )
    rows = records.json("epyc-avx2/ranks.json")["rows"]
    _measured(page, {row["recipe"]: row for row in rows if "one function" in row["code"]})


def _measured(page: Page, rows: dict[str, dict[str, list[float]]]) -> None:
    page.says("two ranks to one, n={}", len(rows["fast"]["1 x 2"]))
    for recipe in ("fast", "balanced", "baseline"):
        found = rows[recipe]
        ratios = [a / b for a, b in zip(found["1 x 2"], found["2 x 1"], strict=True)]
        page.row(f"`{recipe}`", f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    after = rows["fast"]
    batch = catalog()["fast"]["batch_size"]
    steps = [1000 * batch / median(after[how]) for how in ("1 x 2", "2 x 1")]
    each = (steps[1] - steps[0]) / MESSAGES
    page.says("Each of the {} messages in a step of `fast` costs about {:.0f} ms", MESSAGES, each)
