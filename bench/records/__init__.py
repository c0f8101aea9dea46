"""Every figure of the pages, recomputed from the records in docs/results.

`make verify-records` runs it (`python -m bench.records`). Nothing here imports the product: what is
wrong there must not be wrong here in the same way. The standard library, numpy and scipy do.

A page has a module in `bench/records/pages` with a function `check(page, records)`. It says what
the page says, with fields where the figures are, and how they come out of the records:

    runs = records.json("speedrun/study.json")["runs"]
    page.says("`fast` has {:.2f} % (n={})", mean(100 * row["accuracy"] for row in runs), len(runs))

The sentence, as short as it may be, must stand on the page with these very figures. Whatever number
then is left on the page without a record is an error, but for those that are no figures: see
`page.NO_FIGURE` for the few kinds told apart by their form, and `Page.settings` for the rest.

What it cannot see: numbers in words ("three seeds"), in pictures and in code blocks; and whether a
sentence draws the right conclusion.
"""
