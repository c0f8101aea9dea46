"""docs/data.md: which forms, layouts and clients were tried; no measurement."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Name the formats' own numbers."""
    page.settings(
        "letters from 1) and QMNIST (labels of 8 columns)",
        "labels counted from 0 |",
        "no whole numbers from 0 to 255",
        "pixels from 0 to 1 scaled",
        "xz, 7-Zip, ZIP",
        "in `pictures.csv`: exit code 4",
        "JPEG XL, JPEG 2000",
        "get 415 with how to send it",
        "gets 422 with the flag",
    )
