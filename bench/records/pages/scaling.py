"""docs/scaling.md: what several ranks cost, measured and by a model."""

from bench.records.page import Page
from bench.records.reading import Records, catalog, median, network

LAYERS = {"baseline": 0, "fast": 3 + 2, "balanced": 3 + 3 * 2}
"""Batch norms: one a stage and two a residual block."""


def check(page: Page, records: Records) -> None:
    """Hold the measurements against their record and work the model out again."""
    page.settings(
        "exactly 10,000 test images",
        "itself waits 30 seconds",
        "on the same 2 cores of an AMD EPYC",
        "A ring moves 2 (n-1)/n of",
        "a row of 1 + 2C numbers",
        "Backward, there are 2C numbers",
        "C = 128, and growing",
        "messages t + 2 (n-1)/n gradient / B",
        "R = 0.4 TFLOP/s in bfloat16, t = 50 µs on loopback and B = 2 GB/s",
        "R = 20 TFLOP/s at these small maps, t = 20 µs",
    )
    rows = records.json("epyc-avx2/ranks.json")["rows"]
    _measured(page, {row["recipe"]: row for row in rows if "one function" in row["code"]})
    _model(page)


def _measured(page: Page, rows: dict[str, dict[str, list[float]]]) -> None:
    page.says("two ranks to one, n={}", len(rows["fast"]["1 x 2"]))
    for recipe in ("fast", "balanced", "baseline"):
        found = rows[recipe]
        ratios = [a / b for a, b in zip(found["1 x 2"], found["2 x 1"], strict=True)]
        page.row(f"`{recipe}`", f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    after, messages = rows["fast"], 5 + 2 * LAYERS["fast"]
    batch = catalog()["fast"]["batch_size"]
    steps = [1000 * batch / median(after[how]) for how in ("1 x 2", "2 x 1")]
    each = (steps[1] - steps[0]) / messages
    page.says("of the {} messages in a step of `fast` each costs about {:.0f} ms", messages, each)
    if round(each / 0.05, -1) != 60:
        page.fault("that is not sixty times a loopback's latency")


def _price(name: str) -> tuple[int, int, int]:
    """A recipe's parameters, operations a step and messages a step."""
    recipe = catalog()[name]
    parameters, flops = network(recipe)
    return parameters, 3 * flops * recipe["batch_size"], 5 + 2 * LAYERS[name]


def _model(page: Page) -> None:
    page.says("({:.0f} KB for two ranks and", 2 * (1 + 2 * 128) * 4 / 1000)
    for name, layers in LAYERS.items():
        parameters, arithmetic, _ = _price(name)
        page.row(
            f"`{name}`, batch {catalog()[name]['batch_size']}",
            f"{parameters:,}",
            f"{4 * parameters / 1e6:.2f} MB",
            f"{arithmetic / 1e9:.1f} GFLOP",
            str(layers),
            "4 + 1" + (f" + {2 * layers}" if layers else ""),
        )
    parameters, arithmetic, messages = _price("balanced")

    def on_cpus(ranks: int) -> tuple[float, float]:
        """Seconds of arithmetic and of messages."""
        moved = 2 * (ranks - 1) / ranks * 4 * parameters
        return arithmetic / ranks / 0.4e12, messages * 50e-6 + moved / 2e9

    computed, sent = on_cpus(2)
    page.says(
        "has {:.0f} ms of arithmetic for two ranks and {:.0f} ms of messages: {:.0f} % efficient",
        1000 * computed,
        1000 * sent,
        100 * computed / (computed + sent),
    )
    half = next(ranks for ranks in range(2, 999) if on_cpus(ranks)[0] < on_cpus(ranks)[1])
    page.says("With some {} ranks communication takes half", 5 * round(half / 5))
    page.says("has {:.1f} ms of arithmetic on one and", 1000 * arithmetic / 20e12)
    page.says("on one and {:.1f} ms of messages on any more", 1000 * messages * 20e-6)
