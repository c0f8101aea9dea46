"""docs/decisions.md: choices. What was measured for one is in the log; here are no figures."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Name the numbers of a formula."""
    page.settings("F1 = 2J / (1 + J) of the Jaccard index")
