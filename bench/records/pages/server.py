"""README.md, what the server answers."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Hold the server's figures against their records."""
