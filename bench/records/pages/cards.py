"""The cards of the two models in the package, against the files themselves."""

from bench.records.page import Page
from bench.records.pages.photos import macro_interval, readings_before
from bench.records.reading import Records, wilson


def check(page: Page, records: Records) -> None:
    """Hold a card against its ONNX file and, of photos, against their record."""
    name = page.name.rpartition("/")[2].removesuffix(".md")
    facts = records.model_facts(name)
    recipe, calibration, measured = (facts[key] for key in ("recipe", "calibration", "measured"))
    n, accuracy = measured["n"], measured["accuracy"]
    page.says("`, {:,} bytes, SHA-256", facts["bytes"])
    if f"SHA-256 `{facts['sha256']}`" not in " ".join(page.text.split()):
        page.fault(f"the file's SHA-256 is {facts['sha256']}")
    page.settings(
        "uint8 images (N, 28, 28)",
        "`probabilities` (N, 10)",
        "of the 60,000 training images",
        "95 % interval",
    )
    page.says("type: accuracy, value: {:.4f}", accuracy)
    kept = round(60_000 * recipe["validation"])
    page.says("trained on {:,} of the", 60_000 - kept)
    page.says("images, {:,} kept for validation", kept)
    page.says("Seed {}, one run", recipe["seed"])
    page.says(
        "{:.2f}% of {:,} test images, 95 % interval {:.2f} - {:.2f} %",
        100 * accuracy,
        n,
        *wilson(accuracy * n, n),
    )
    page.says("by the checkpoint of step {}", facts["made_by"]["step"])
    steps = (60_000 - kept) // recipe["batch_size"] * recipe["epochs"]
    if steps != facts["made_by"]["step"]:
        page.fault(f"the recipe has {steps} steps")
    page.says("Label smoothing of {:g} undone", calibration["label_smoothing"])
    page.says("Temperature {:.3f}, fitted on", calibration["temperature"])
    page.says("{:.0f}% are not warned about", 100 * facts["outlier"]["not_warned"])
    page.settings("1 thread(s), AMD EPYC")
    if name == "balanced":
        _balanced(page, records, recipe["seed"])
        page.says("({:.0f}% asked for)", 100 * calibration["conformal"]["coverage"])
    else:
        _photo(page, records)


def _balanced(page: Page, records: Records, seed: int) -> None:
    (run,) = (
        row for row in records.json("balanced/evaluations.json")["runs"] if row["seed"] == seed
    )
    page.says(
        "on test: {:.1f}% before, {:.1f}% after",
        100 * run["before"]["ece"],
        100 * run["after"]["ece"],
    )
    page.says("the true one for {:.1f}%", 100 * run["conformal"]["coverage"])
    page.says("with {:.2f} classes on average", run["conformal"]["mean_size"])


def _photo(page: Page, records: Records) -> None:
    real = records.json("photos.json")["real_photos"]["held_out"]
    page.says(
        "{:.1f}% of {} photos of clothes",
        100 * sum(row["accuracy"] for row in real["classes"].values()) / len(real["classes"]),
        sum(row["n"] for row in real["classes"].values()),
    )
    page.says("95 % interval {:.1f} - {:.1f} %), on", *macro_interval(real["classes"]))
    page.says("had been read {} times before", readings_before(records, "photos.json"))
