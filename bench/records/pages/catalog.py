"""Docstrings of the recipes: what each is, and what it measures."""

from bench.records.page import Page
from bench.records.pages.photos import macro_interval
from bench.records.reading import (
    Records,
    Row,
    catalog,
    deviation,
    elapsed,
    kind_of_epyc,
    mean,
    median,
    minutes,
    network,
    tested,
)


def check(page: Page, records: Records) -> None:
    """Hold every recipe's docstring against its runs."""
    recipes = catalog()
    _baseline(page, records, recipes["baseline"])
    _fast(page, records, recipes["fast"])
    for goal in ("93", "94"):
        _rung(page, records.json(f"speedrun-{goal}/study.json"), goal)
    page.says("For {} epochs; weights are averaged", recipes["fast94"]["epochs"])
    _balanced(page, records, recipes["balanced"])
    _best(page, records, recipes["best"])
    _photo(page, records, recipes["photo"])
    for recipe in recipes.values():
        parameters, flops = network(recipe)
        page.says("Network: {:,} parameters, {:.1f} MFLOP an image", parameters, flops / 1e6)


def _baseline(page: Page, records: Records, recipe: Row) -> None:
    metrics = records.json("baseline/metrics.json")
    best = tested(metrics["best"])
    page.says("SimpleCNN, Adam, {} epochs", recipe["epochs"])
    page.says("Batch {}, a constant learning rate", recipe["batch_size"])
    page.says("lowest validation loss (the {}th)", metrics["best"]["epoch"])
    page.says("last one has {:.2f} % of the test set", tested(metrics["final"])[0])
    page.says("{:.2f} % (n={}, seed {}; 95 % interval {:.2f} - {:.2f} %)", best[0], 1, 0, *best[1:])
    page.says(
        "{} with validation, an earlier run (docs/results/baseline-xeon)\n"
        "    Hardware: {} cores of an Intel Xeon (AVX-512)",
        minutes(records.json("baseline-xeon/metrics.json")["training_seconds"]),
        2,
    )


def _fast(page: Page, records: Records, recipe: Row) -> None:
    study = records.json("speedrun/study.json")
    runs, where = study["runs"], study["environment"]
    accuracies = [100 * row["accuracy"] for row in runs]
    page.settings("seconds to 92 %")
    page.says("AdamW, batch {}, {} epochs", recipe["batch_size"], recipe["epochs"])
    page.says(
        "{:.2f} ± {:.2f} % (n={}, seeds {} to {})",
        mean(accuracies),
        deviation(accuracies),
        len(runs),
        min(row["seed"] for row in runs),
        max(row["seed"] for row in runs),
    )
    page.says(
        "{:.1f} s with validation; the whole command {:.1f} s (medians)",
        median(row["training_seconds"] for row in runs),
        median(row["command_seconds"] for row in runs),
    )
    page.says("{} cores of an AMD EPYC ({}), torch", where["threads"], kind_of_epyc(where))


def _rung(page: Page, study: Row, goal: str) -> None:
    runs, where = study["runs"], study["environment"]
    accuracies = [100 * row["accuracy"] for row in runs]
    page.settings(f"The goal is {goal} %")
    page.says(
        "{:.2f} ± {:.2f} % (n={}, seeds {} to {})",
        mean(accuracies),
        deviation(accuracies),
        len(runs),
        runs[0]["seed"],
        runs[-1]["seed"],
    )
    page.says(
        "{} with validation; the whole command {} (medians)",
        elapsed(median(row["training_seconds"] for row in runs)),
        elapsed(median(row["command_seconds"] for row in runs)),
    )
    page.says("{} cores of an AMD EPYC ({})", where["threads"], kind_of_epyc(where))


def _balanced(page: Page, records: Records, recipe: Row) -> None:
    study = records.json("balanced/study.json")
    alone = records.json("balanced/seed-5/metrics.json")
    accuracies = {row["seed"]: 100 * row["accuracy"] for row in study["runs"]}
    float32 = [
        row["seed"]
        for row in study["runs"]
        if row.get("environment", study["environment"])["mixed_precision_is"] == "float32"
    ]
    (first,) = set(accuracies) - set(float32)
    page.says("AdamW, batch {}, {} epochs", recipe["batch_size"], recipe["epochs"])
    page.settings("The goal is 95 %.")
    page.says(
        "{:.2f} ± {:.2f} % (n={}, seeds {} to {}, of which {} to {} in float32 on another CPU)",
        mean(accuracies.values()),
        deviation(accuracies.values()),
        len(accuracies),
        min(accuracies),
        max(accuracies),
        min(float32),
        max(float32),
    )
    page.says(
        "in bfloat16 {:.2f} and {:.2f} % (n={}, seeds {} and {})",
        accuracies[first],
        tested(alone["final"])[0],
        2,
        first,
        5,
    )
    page.says(
        "{} with validation, {} the whole command (seed {})",
        minutes(alone["training_seconds"]),
        minutes(alone["command_seconds"]),
        5,
    )
    cores = records.json("balanced/seed-5/environment.json")["threads"]
    page.says(
        "{} cores of an Intel Xeon (AMX), torch 2.13.0; seed {} had one, {} to {} one of an EPYC",
        cores,
        first,
        min(float32),
        max(float32),
    )


def _best(page: Page, records: Records, recipe: Row) -> None:
    runs = records.json("speedrun-95/study.json")["runs"]
    accuracies, alone = [100 * row["accuracy"] for row in runs], runs[-1]
    page.says("{:.0f} minutes or more, for accuracy", alone["training_seconds"] / 60)
    page.settings("The goal of 95.8 % was missed", ", among 3 candidates; it is left out")
    chosen = tested(records.json("best/metrics.json")["final"])[0]
    page.says("by the test accuracy of seed {}, {:.2f} %", 0, chosen)
    page.says(
        "{:.2f} ± {:.2f} % (n={}, seeds {} to {})",
        mean(accuracies),
        deviation(accuracies),
        len(runs),
        runs[0]["seed"],
        alone["seed"],
    )
    trials = {
        name: records.csv(f"trials/resnet-42-epochs-{name}/history.csv")
        for name in ("cutmix-erasing", "balanced")
    }
    page.says(
        "On {:,} validation images this augmentation shows no gain over that of `balanced`, "
        "on its network: {:.2f} against {:.2f} % ({} epochs, n={} each)",
        6000,
        *(100 * rows[-1]["val_accuracy"] for rows in trials.values()),
        len(trials["balanced"]),
        1,
    )
    page.says(
        "{} with validation; the whole command {} (seed {})",
        minutes(alone["training_seconds"]),
        minutes(alone["command_seconds"]),
        alone["seed"],
    )
    page.says(
        "{} cores of an AMD EPYC ({}), torch 2.13.0; seeds {} and {} had one each",
        alone["environment"]["threads"],
        kind_of_epyc(alone["environment"]),
        *(row["seed"] for row in runs[:2]),
    )


def _photo(page: Page, records: Records, recipe: Row) -> None:
    metrics = records.json("photo/metrics.json")
    photos = records.json("photos.json")["real_photos"]["held_out"]
    page.says("network of `balanced` for {} epochs", recipe["epochs"])
    page.says("the data set ({:.2f} % of the test images)", tested(metrics["final"])[0])
    page.says(
        "{:.1f} % of held-out photos, mean of seven kinds (n={}, seed {}; interval {:.1f} - "
        "{:.1f} %)",
        100 * mean(row["accuracy"] for row in photos["classes"].values()),
        1,
        recipe["seed"],
        *macro_interval(photos["classes"]),
    )
    page.says(
        "{:.0f} min with validation\n    Hardware: {} of {} cores of an AMD EPYC",
        metrics["training_seconds"] / 60,
        1,
        2,
    )
