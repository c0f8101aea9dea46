"""README.md, what the server answers."""

from bench.records.page import Page
from bench.records.reading import Records, median

_PICTURES = "28 pixels", "800 pixels"


def check(page: Page, records: Records) -> None:
    """Hold rates by the time that a phase took, not by the time that was planned for it."""
    load = records.json("epyc-avx2/server.json")
    page.settings(
        "on 2 cores of an AMD EPYC with AVX2 that the clients",
        "with 8 connections that are kept",
        "of 28 pixels a second",
        "JPEGs of 800 pixels",
        "times; with one,",
        "on 8 new connections, 99 % of answers come within",
        "rest away with 503; none is lost",
    )
    rates, times = {}, {}
    for picture in _PICTURES:
        for count in (1, 8, 32):
            ours, plain = (
                load["closed"][name][f"{picture}, {count} kept"] for name in load["closed"]
            )
            rates[picture, count] = ours["outcomes"]["200"] / ours["elapsed_seconds"]
            pairs = zip(*(one["rounds_answered_per_second"] for one in (ours, plain)), strict=True)
            times[picture, count] = median([one / other for one, other in pairs])
    rounds = load["closed"]["ours"]["28 pixels, 8 kept"]["rounds_answered_per_second"]
    page.says("(medians of {} rounds", len(rounds))
    page.says("the server answers {:.0f} pictures", rates["28 pixels", 8])
    page.says("a second and {:.0f} JPEGs", rates["800 pixels", 8])
    for template, count in (
        ("{:.2f} and {:.2f} times what a plain", 8),
        ("with 32, {:.2f} and {:.2f} times", 32),
        ("with one, {:.2f} and {:.2f} times", 1),
    ):
        page.says(template, times["28 pixels", count], times["800 pixels", count])
    page.settings("with 32,")
    page.says(
        "come within {:.0f} and {:.0f} ms",
        *(median(load["open"][f"{picture}, 0.8 times"]["rounds_p99_ms"]) for picture in _PICTURES),
    )
    over = load["open"]["800 pixels, 10 times"]
    page.says("Sent {:,.0f} of these JPEGs", over["offered_per_second"])
    page.says("it answers {:.0f} and turns", over["outcomes"]["200"] / over["elapsed_seconds"])
    page.says("at {:.0f} MB with its decoders", over["megabytes"][1])
    if set(over["outcomes"]) != {"200", "503", "lost"} or over["outcomes"]["lost"]:
        page.fault("pictures are lost")
