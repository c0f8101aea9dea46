"""docs/speedrun.md: the record, what it is held against, what it is made of."""

from bench.records.page import Page
from bench.records.reading import (
    Records,
    Row,
    catalog,
    cores_of_epyc,
    deviation,
    differences,
    elapsed,
    mean,
    median,
    minutes,
    seconds,
    student,
    study_rows,
    tested,
)

LOOPS = ("hand_written", "keras_fit", "keras_ours", "ours")


def check(page: Page, records: Records) -> None:
    """Hold the page against its studies and benchmarks."""
    _records(page, records)
    _assignment(page, records)
    _ingredients(page, records)
    _averaged(page, records)
    _history(page, records)


def _columns(runs: list[Row]) -> list[str]:
    accuracies = [100 * row["accuracy"] for row in runs]
    return [
        f"{mean(accuracies):.2f} ± {deviation(accuracies):.2f} %",
        f"n={len(runs)}",
        *(
            elapsed(median(row[key] for row in runs))
            for key in ("training_seconds", "command_seconds")
        ),
    ]


def _records(page: Page, records: Records) -> None:
    totals = []
    for goal, name, folder in (
        ("92", "fast", "speedrun"),
        ("93", "fast93", "speedrun-93"),
        ("94", "fast94", "speedrun-94"),
    ):
        study = records.json(f"{folder}/study.json")
        runs = study["runs"]
        where = study["environment"]
        machine = cores_of_epyc(where)
        link = f"[study](results/{folder}/study.json)"
        page.row(f"{goal} %", f"`{name}`", *_columns(runs), machine, link)
        totals.append(sum(row["command_seconds"] for row in runs) / 60)
        if student([row["accuracy"] for row in runs])[1] < int(goal) / 100:
            page.fault(f"{name} misses its goal")
    page.says("in about {:.0f}, {:.0f} and {:.0f}\nminutes", *totals)
    slow = records.json("speedrun-94/fast.json")["runs"]
    times = elapsed(median(row["training_seconds"] for row in slow))
    page.says("`fast` trains for {} (median, n={},", times, len(slow))
    _one_epoch(page, records)
    _best(page, records)
    page.settings(
        "`make speedrun GOAL=93` and `make speedrun GOAL=94`",
        "`make speedrun GOAL=95` takes three times as long as its row",
        "on 12,000 validation images, with the test set sealed",
        "the first `fast94` missed 94 % on the test set",
        "The rules first asked for 20 seeds everywhere; now they ask for 10 at 94 % and 3 at 95 %",
        "The 60,000 training images",
        "at least 20 seeds (10 for 94 %, 3 for 95 %)",
        "All of its 95 % interval (Student's, over the seeds)",
        "a mean of at least 92 %, 93 %, 94 %, 95 %",
    )


def _best(page: Page, records: Records) -> None:
    runs = records.json("speedrun-95/study.json")["runs"]
    accuracies, alone = [100 * row["accuracy"] for row in runs], runs[-1]
    where = alone["environment"]
    page.row(
        "95 %",
        "`best`",
        f"{mean(accuracies):.2f} ± {deviation(accuracies):.2f} %",
        f"n={len(runs)}",
        *(minutes(alone[key]) for key in ("training_seconds", "command_seconds")),
        cores_of_epyc(where),
        "[study](results/speedrun-95/study.json)",
    )
    page.says("times of `best` are those of seed {}", alone["seed"])
    if student(accuracies)[1] < 95:
        page.fault("best misses its goal")


def _one_epoch(page: Page, records: Records) -> None:
    study = records.json("sprint/study.json")
    accuracy, n, training, _ = _columns(study["runs"])
    threads = study["environment"]["threads"]
    page.says("trains in {} (median,\n{} cores of an Intel Xeon", training, threads)
    page.says("and has {} ({})", accuracy, n)
    runs = records.json("speedrun/study.json")["runs"]
    accuracies = [100 * row["accuracy"] for row in runs]
    page.settings("below the 91.64 % which the student's project")
    page.says(
        "each of the {} runs of `fast` has more, the lowest {:.2f} %", len(runs), min(accuracies)
    )
    if min(accuracies) <= 91.64:
        page.fault("not every run passes 91.64 %")


def _assignment(page: Page, records: Records) -> None:
    runs = records.json("speedrun/history/02.json")["runs"]
    fast = median(row["training_seconds"] for row in runs)
    page.says("of `fast`, {} of training", elapsed(fast))
    five, three = (
        records.json(f"benchmark-train-xeon{name}.json")["seconds"] for name in ("", "-keras")
    )
    epochs = catalog()["baseline"]["epochs"]
    page.says("| the assignment | an epoch | {} epochs", epochs)
    page.says("takes {} epochs for its", epochs)
    page.says("of {} rounds ([record]", len(five["ours"]))
    page.says("of {} rounds with Keras", len(three["ours"]))
    page.settings("On 2 cores of the Intel Xeon of an")
    names = ("by hand: DataLoader, PIL", "in Keras's `fit`", "ours in Keras", "ours")
    for loop, name in zip(LOOPS, names, strict=True):
        ends = sorted(median(found[loop]) for found in (five, three) if loop in found)
        page.row(
            name,
            " to ".join(f"{one:.1f}" for one in ends) + " s",
            " to ".join(f"{epochs * one / 60:.1f}" for one in ends) + " min",
            " to ".join(f"{epochs * one / fast:.0f}x" for one in ends),
        )
    metrics = records.json("baseline-xeon/metrics.json")
    ends = sorted(tested(metrics[name])[0] for name in ("best", "final"))
    page.says("for its {:.1f} to {:.1f} % ([record](results/baseline-xeon), seed 0", *ends)
    page.settings("seed 0, best and final checkpoint", "first passes 91.64 %")
    history = records.csv("baseline-xeon/history.csv")
    reached = next(row for row in history if row["val_accuracy"] > 0.9164)
    spent = sum(row["seconds"] for row in history if row["epoch"] <= reached["epoch"])
    page.says("in epoch {:.0f}, after {:.0f} s of our loop", reached["epoch"], spent)
    page.says("): {:.0f} times the training of `fast`", spent / fast)


def _ingredients(page: Page, records: Records) -> None:
    page.settings("(images of 16 pixels at first)")
    for name in ("fast-ablation", "trials/fast-start", "balanced-ablation"):
        for cells in study_rows(records.json(f"{name}/study.json")):
            page.row(*cells)
    fast = records.json("fast-ablation/study.json")
    page.settings("2 cores of the Xeon: 54,000 images")
    page.says("cores of the Xeon: {:,} images to train on, {:,} to", 54_000, 6_000)
    times = [median(seconds(fast, name, "training_seconds")) for name in ("as it is", "float32")]
    if not 0.3 < 1 - times[0] / times[1] < 0.4:
        page.fault("bfloat16 does not save a third of the time")
    balanced = records.json("balanced-ablation/study.json")
    first, *others = balanced["variants"]
    full = catalog()["balanced"]["epochs"]
    page.says("{} epochs instead of {},", balanced["recipes"][first]["epochs"], full)
    page.says(
        "instead of 42, {:,} images to train on, {:,} to measure on, two seeds", 54_000, 6_000
    )
    page.says("shows a gain in {} epochs", balanced["recipes"][first]["epochs"])
    page.says("Whether they help in {} epochs", full)
    found = {name: student(differences(balanced, name, first)) for name in others}
    resizing = found.pop("progressive resizing")
    means = [one[0] for one in found.values()]
    page.says("the mean is {:.1f} to {:.1f} points higher", min(means), max(means))
    side = balanced["variants"]["progressive resizing"]["start_side"]
    page.says("(images of {} pixels at first)", side)
    page.says("the lowest mean, {:+.2f} points", resizing[0])
    if [name for name, one in found.items() if one[1] > 0] != ["no flips"]:
        page.fault("other intervals leave 0 out than that without flips")
    page.settings("without flips excludes 0")


def _averaged(page: Page, records: Records) -> None:
    runs = records.json("balanced/evaluations.json")["runs"]
    seeds = [row["seed"] for row in runs]
    alone, mirrored = ([100 * row[name] for row in runs] for name in ("accuracy", "tta_accuracy"))
    page.says("seeds {} to {} of `balanced` (float32", min(seeds), max(seeds))
    page.says("alone {:.2f} ± {:.2f} %, each over", mean(alone), deviation(alone))
    page.says("mirror image {:.2f} ± {:.2f} %", mean(mirrored), deviation(mirrored))
    together = records.text("balanced/ensemble.txt").split("averaged: ")[1].split(" %")[0]
    page.says("as an ensemble have {} %", together)
    page.settings("None of these is an entry: rule 3")


def _history(page: Page, records: Records) -> None:
    old = records.json("speedrun/history/01.json")
    page.says("| {:.2f} ± {:.2f} % ({}) | {} | {} | 2 cores, Intel Xeon", *_entry(old["runs"]))
    older = records.json("speedrun/history/02.json")
    page.says("| {:.2f} ± {:.2f} % ({}) | {} | {} | 2 cores, Intel Xeon (A", *_entry(older["runs"]))
    page.settings("2 cores, Intel Xeon (AVX-512, AMX) | measured again")
    missed = records.json("speedrun-94/history/01.json")
    page.says("| {:.2f} ± {:.2f} % ({}) | {} | {} | 2 cores, AMD EPYC", *_entry(missed["runs"]))
    reached = records.json("speedrun-94/study.json")
    before, after = (study["recipes"]["fast94"] for study in (missed, reached))
    page.says("| {} epochs, missed", before["epochs"])
    smoothing = after["label_smoothing"]
    page.says("it has {} epochs and label smoothing {}", after["epochs"], smoothing)
    page.settings("2 cores, Intel Xeon (AMX)", "| 2 cores, AMD EPYC (AVX-512, bfloat16) | 6")
    page.settings("epochs, missed 94 % (")


def _entry(runs: list[Row]) -> list[object]:
    accuracies = [100 * row["accuracy"] for row in runs]
    _, _, training, process = _columns(runs)
    return [mean(accuracies), deviation(accuracies), len(runs), training, process]
