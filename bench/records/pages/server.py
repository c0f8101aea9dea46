"""README.md, what the server answers."""

from bench.records.page import Page
from bench.records.reading import Records, Row


def check(page: Page, records: Records) -> None:
    """Hold rates by the time that a phase took, not by the time that was planned for it."""
    load, photos = (records.json(f"epyc-avx512/{name}.json") for name in ("load", "load-photo"))
    ours, plain = load["fashion-cnn serve"], load["plain handler"]
    page.settings(
        "pictures of 28 pixels a second", "server answers 99 % of them", "rest away with 503"
    )
    page.says("sent {:.0f} pictures of 28 pixels", ours["1x"]["per_second"])
    page.says("of them within {:.0f} ms", ours["1x"]["p99_ms"])
    page.says("Sent {:,.0f} a second it answers", ours["10x"]["per_second"])
    page.says("it answers {:.0f} and turns", answered(ours["10x"]))
    page.says("at {:.0f} MB; a plain", ours["10x"]["server_rss_mb"])
    page.says("answers the {:.0f} a second that reach it, more", answered(plain["10x"]))
    page.says("hundredth wait for {:.0f} s", plain["10x"]["p99_ms"] / 1000)
    if answered(plain["10x"]) <= answered(ours["10x"]):
        page.fault("the plain handler does not answer more")
    ours, plain = photos["fashion-cnn serve"], photos["plain handler"]
    page.says("takes {:.0f} ms to answer", ours["alone_p50_ms"])
    page.says("sent {:.0f} of these a second", ours["10x"]["per_second"])
    page.says("ours answers {:.0f}, and the plain", answered(ours["10x"]))
    page.says("shrinks them, {:.0f} (", answered(plain["10x"]))


def answered(phase: Row) -> float:
    """Pictures answered a second; `per_second` is of all that were sent."""
    return phase["outcomes"]["200"] * phase["per_second"] / phase["sent"]
