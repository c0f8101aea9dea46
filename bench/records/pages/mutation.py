"""docs/mutation.md: every module's row, nine in ten killed, and a reason for every survivor."""

import re

from bench.records.page import Page
from bench.records.reading import Records


def check(page: Page, records: Records) -> None:
    """Hold the table and the list of survivors by the record."""
    found = records.json("mutation/mutation.json")
    page.settings("At least nine in ten are to be killed")
    reasons = re.findall(r"^- `([\w-]+)`, `(.+)`:", page.text, re.MULTILINE)
    for name, row in found["modules"].items():
        tried, lived = row["mutants"], row["survived"]
        page.row(name, f"{tried} of {row.get('of', tried)}", str(tried - lived), str(lived))
        if 10 * lived > tried and f"Below that: {name}" not in page.text:
            page.fault(f"of {name} more than one mutant in ten lives")
        if lived != len(row["survivors"]):
            page.fault(f"the survivors of {name} are not all named")
        for mutant in row["survivors"] if 10 * lived <= tried else ():
            if (name, mutant.rpartition("ǁ")[2]) not in reasons:
                page.fault(f"no reason why {mutant} of {name} lives")
