"""docs/data.md: which forms, layouts and clients were tried, and how fast large sets come in."""

import statistics

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Name the formats' own numbers."""
    page.settings(
        "letters from 1) and QMNIST (labels of 8 columns)",
        "labels counted from 0; of several",
        "pixels from 0 to 255 or to 1",
        "with hidden labels (-1)",
        "pixels from 0 to 1 scaled",
        "xz, bzip2, zstd, 7-Zip, ZIP",
        "in `pictures.csv`: exit code 4",
        "JPEG XL, JPEG 2000",
        "Status 415 answers",
        "gets 422 and the flag",
    )
    record = records.json("epyc-zen5/importing.json")
    page.says("| {:,} images as |", record["images"])
    page.says("({} rounds on two cores of an AMD EPYC", record["rounds"])
    for form, command in (
        ("PNGs in class folders", "import png"),
        ("Kaggle's two CSVs", "adopt csv"),
    ):
        found, verb = record["commands"][command], command.split()[0]
        seconds, most = statistics.median(found["seconds"]), found["most_mib"]
        page.row(form, f"`data {verb}`", f"{seconds:.0f} s", f"{most:.0f} MiB")
