"""docs/decisions.md: choices. What was measured for one is in the log; here are few figures."""

from bench.records.page import Page
from bench.records.reading import Records, catalog, median


def check(page: Page, records: Records) -> None:
    """Hold the figures against their records; most numbers are limits and names of choices."""
    page.settings(
        "after the first checkpoint (step 0)",
        "validation stays the same 6,000 images",
        "(Ctrl+C: exit 130;",
        "choosing an epoch on 1,000 validation images",
        "The recipes keep 1,000 images, a sixtieth",
        "relative to the images' norms, threshold 0.08",
        "a projection on 64 principal directions",
        "more often than the wanted 95 %",
        "above which (wrong + 1) / (answered + 1) validation images",
        "A bound that holds with 95 % certainty would answer far fewer on 1,000 validation images",
        "at most 2,500 are taken (the surest mistakes of each cell, 48 hits a class), so a page "
        "stays below 3 MB",
        "squares at 36 places",
        "F1 = 2J / (1 + J) of the Jaccard index",
        "a bootstrap agrees within 0.012 in the tests",
        "under 512 MB of address space, no file writing, and 2 s of CPU more",
        "GrabCut works at 192 pixels; at 128",
        "the 95 % quantile on validation images",
        "ranges from 1,000 training images",
        "a queue of 32; no micro-batching",
        "the checkpoint of step 0 has",
        "Networks' `classes` is 10 unless given",
        "on 2,400 of the real images",
        "has its 503 thrown away",
        "so up to 256 such connections",
        "outside the 64 that are served",
        "(Beyer et al. 2021,",
        "On from release 1.29 in",
    )
    runs = records.json("speedrun/study.json")["runs"]
    beside = median(row["process_seconds"] - row["training_seconds"] for row in runs)
    page.says("about {:.0f} s beside the training of `fast`", beside)
    study = records.json("findings/study.json")
    epochs = study["recipes"]["baseline"]["epochs"]
    page.says("which {} epochs instead of {} gave", epochs, catalog()["baseline"]["epochs"])
