"""docs/reliability.md: a row an experiment of the campaign, by its record."""

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Hold every row by the record; one of which there is no row, or that failed, is a fault."""
    experiments = records.json("reliability/campaign.json")["experiments"]
    for name, found in experiments.items():
        trials, failures = found["trials"], len(found["failures"])
        done = f"{trials:,}" if trials >= found["goal"] else f"{trials:,} of {found['goal']:,}"
        bound = f"{300 / trials:.3g} %" if trials > 3 and not failures else "–"
        repeat = f"`make campaign NAMES={name} N={trials}`"
        page.row(name, found["what"], done, str(failures), bound, repeat)
    hours = sum(row["seconds"] for row in experiments.values()) / 3600
    page.says("in {:.0f} hours together", hours)
    page.settings("bounds the rate of failures at about 3 / N, with 95 % confidence")
    page.settings("2 or 3 epochs of some hundred images")
