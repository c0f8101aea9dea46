"""docs/assignment.md: the run of the assignment, and what it says."""

from scipy import stats

from bench.records.page import Page
from bench.records.pages import findings
from bench.records.reading import Records, catalog, differences, minutes, network, student, tested


def check(page: Page, records: Records) -> None:
    """Hold the page against its records."""
    _settings(page)
    _network(page)
    _assignment(page, records)
    _classes(page, records)


def _settings(page: Page) -> None:
    page.settings(
        "get 83.5 % of 1,000 test images right, says the data set's own",
        "| | 91.64 % | 23.4 minutes, a laptop's GPU | |",
        "60,000 training and 10,000 test images from",
        "Of the training images 54,000 train and 6,000 validate",
        "with a seed, 600 of each class",
        "The 10,000 test images are [sealed]",
        "scaled to 0..1, then (x - 0.2860) / 0.3530 inside the model",
    )
    page.settings(  # years and volumes
        "Machine Learning Algorithms.* 2017.",
        "ICLR 2015.",
        "JMLR 15, 2014.",
        "AAAI 2020.",
        "ICML 2017.",
        "JASA 22, 1927.",
        "NeurIPS 2019.",
    )


def _network(page: Page) -> None:
    recipe = catalog()["baseline"]
    parameters, flops = network(recipe)
    page.says("network with {:,} parameters", parameters)
    page.says("takes {:.1f} million floating-point", flops / 1e6)
    width, below = recipe["width"], 1
    for times, side in ((1, 14), (2, 7), (4, 3)):
        above = times * width
        page.row(
            f"convolution 3x3, {above} filters, same padding; ReLU; max pool 2x2",
            f"{side} x {side} x {above}",
            f"{9 * below * above + above:,}",
        )
        below = above
    dropout = f"flatten; fully connected 128; ReLU; dropout {recipe['dropout']}"
    page.row(dropout, "128", f"{(9 * below + 1) * 128:,}")
    page.row("fully connected 10: logits (softmax in the loss)", "10", f"{(128 + 1) * 10:,}")
    page.row("optimiser", f"Adam [2], learning rate {recipe['learning_rate']}, constant")
    page.row("batch", f"{recipe['batch_size']} images")
    page.row("epochs", str(recipe["epochs"]))
    page.says("trained for {} epochs, with its curves", recipe["epochs"])


def _assignment(page: Page, records: Records) -> None:
    metrics, history = records.json("baseline/metrics.json"), records.csv("baseline/history.csv")
    page.settings("--threads 1`, seed 0, on one core", "`make train` on 2 cores of an")
    earlier = records.json("baseline-xeon/metrics.json")
    whole = records.text("baseline-xeon/command.txt").split("real")[1].split("s")[0].split("m")
    page.row(
        "on the Xeon",
        *(f"{tested(earlier[name])[0]:.2f} %" for name in ("best", "final")),
        minutes(earlier["training_seconds"]),
        minutes(60 * int(whole[0]) + float(whole[1])),
    )
    if metrics["test_readings"] != 1:
        page.fault("the test set was not opened once")
    _both_checkpoints(page, records)
    for name in ("best", "final"):
        result = metrics[name]
        accuracy, low, high = tested(result)
        epoch = round(result["epoch"])
        validation = result["validation"]["confusion"]
        right = sum(row[at] for at, row in enumerate(validation)) / sum(map(sum, validation))
        page.row(
            name,
            str(epoch),
            f"{history[epoch - 1]['train_loss']:.3f}",
            f"{result['validation']['loss']:.3f}",
            f"{100 * right:.2f} %",
            f"{result['test']['loss']:.3f}",
            f"**{accuracy:.2f} %**",
            f"{low:.2f} - {high:.2f} %",
            f"{100 * result['test']['ece']:.1f} %",
        )
    losses = [row["val_loss"] for row in history]
    least = losses.index(min(losses)) + 1
    page.says("falls until epoch {}, then rises to {:.1f} times", least, losses[-1] / min(losses))
    page.says("accuracy rises to {:.1f} %", 100 * history[-1]["train_accuracy"])
    ends = [metrics[name]["test"] for name in ("best", "final")]
    page.row("mean confidence", *(f"{100 * one['mean_confidence']:.1f} %" for one in ends))
    page.row("expected calibration error", *(f"{100 * one['ece']:.1f} %" for one in ends))
    page.says("The {} epochs after it bought", len(losses) - least)
    others = [records.json(f"baseline-{name}/metrics.json") for name in ("xeon", "keras")]
    epochs = [one["best"]["epoch"] for one in others]
    page.says("yes: validation loss is lowest in epoch {} ({} and {} in two other", least, *epochs)
    errors = [100 * one["best"]["test"]["ece"] for one in (metrics, *others)]
    page.says("calibration error {:.1f} % ({:.1f} and {:.1f} % in two other runs)", *errors)
    page.says("at the last no: {:.1f} %", 100 * ends[1]["ece"])
    more = [tested(one["final"])[0] - tested(one["best"])[0] for one in others]
    page.says("the last epoch has {:.2f} points more ([Xeon]", more[0])
    page.says("and {:.2f} ([Keras]", more[1])
    page.says(
        "{:.2f} % of the test images (95 % interval {:.2f} - {:.2f} %), at its best epoch",
        *tested(metrics["best"]),
    )
    _what_follows(page, records)


def _both_checkpoints(page: Page, records: Records) -> None:
    rows = records.csv("baseline/answers.csv")
    alone = {
        name: sum(row[name] == row["label"] != row[other] for row in rows)
        for name, other in (("best", "final"), ("final", "best"))
    }
    chance = stats.binomtest(alone["final"], sum(alone.values()), 0.5).pvalue
    page.row("right in this checkpoint alone", str(alone["best"]), str(alone["final"]))
    page.says("(exact McNemar test, p = {:.3f})", chance)
    if chance < 0.05:
        page.fault("the page draws the other conclusion")


def _what_follows(page: Page, records: Records) -> None:
    study = records.json("findings/study.json")
    page.says("with {} epochs and three seeds, on val", study["recipes"]["baseline"]["epochs"])
    page.settings("all intervals contain 0, which shows neither")
    means, pair = findings.tested(records)
    for change, gain in (
        (
            "a learning rate cut on plateaus, answered by the last epoch",
            student(findings.gain(records, study, findings.PLATEAU, "final")),
        ),
        (
            "shifts and flips for the confused classes alone",
            student(differences(study, "targeted augmentation", "baseline")),
        ),
        (
            "stopping early, answered by the last epoch",
            student(findings.gain(records, study, "early stopping", "final")),
        ),
    ):
        centre, low, high = (f"{one:+.2f}" for one in gain)
        page.row(change, centre, f"{low} to {high}")
    page.row(
        "random erasing [4] with a stepped rate, on the test set, opened once for it",
        pair[0],
        f"{pair[1]} to {pair[2]}",
    )
    page.says(
        "last epoch the first has {:+.2f} points ({:+.2f} to {:+.2f})",
        *student(findings.last_epochs(records)),
    )
    page.settings("which contains 0. It was found by looking at these same runs")
    page.says("goes from {} ± {} to {} ± {} % (n={})", *means[0], *means[1], 3)
    page.says(
        "it has {:+.2f} points ({:+.2f} to {:+.2f})",
        *student(differences(study, findings.BOTH, "baseline")),
    )


def _classes(page: Page, records: Records) -> None:
    metrics = records.json("baseline/metrics.json")
    confusion, names = metrics["best"]["test"]["confusion"], metrics["class_names"]
    (each,) = {sum(row) for row in confusion}
    page.says("(best checkpoint, {:,} test images each)", each)
    scores: dict[str, float] = {}
    for at, name in enumerate(names):
        hits, called = confusion[at][at], sum(row[at] for row in confusion)
        precision, recall = hits / called, hits / each
        f1 = 2 * precision * recall / (precision + recall)
        page.row(name, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}")
        scores[name] = f1
    mistakes = sum(map(sum, confusion)) - sum(confusion[at][at] for at in range(10))
    among = [
        sum(confusion[a][b] for a in group for b in group if a != b)
        for group in ((0, 2, 4, 6), (0, 2, 3, 4, 6))
    ]
    page.says("Of the {} mistakes, {} are among", mistakes, among[0])
    page.says("and {} if Dress is counted", among[1])
    pairs = {
        frozenset((a, b)): confusion[a][b] + confusion[b][a] for a in range(10) for b in range(a)
    }
    for pair in sorted(pairs, key=lambda one: -pairs[one])[:5]:
        a, b = sorted(pair, key=lambda at: (at == 6, at == 4, at))  # as the table names them
        calls = [
            f"{confusion[x][y]} {_plural(names[x])} called {_short(names[y])}"
            for x, y in ((a, b), (b, a))
        ]
        page.row(f"{names[a]} and {names[b]}", str(pairs[pair]), ", ".join(calls))
    good = sorted(scores[name] for name in ("Trouser", "Sandal", "Bag", "Sneaker", "Ankle boot"))
    page.says("Ankle boot: F1 of {:.3f} to {:.3f}", good[0], good[-1])
    page.says("Shirt: F1 of {:.3f}", min(scores.values()))
    if sorted(scores.values())[-5:] != good or min(scores, key=scores.__getitem__) != "Shirt":
        page.fault("the summary names other classes")


def _short(name: str) -> str:
    return name.removesuffix("/top")


def _plural(name: str) -> str:
    return _short(name) + ("es" if name.endswith("s") else "s")
