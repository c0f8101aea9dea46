"""README.md; most of its figures stand on other pages too, which hold them."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Hold what the page alone says against its records; its shown outputs are examples."""
    page.settings("Python 3.11 or newer")
