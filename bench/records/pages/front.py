"""docs/front.md and docs/recipes.md: what each recipe is, measures and takes."""

from bench.records.page import Page
from bench.records.reading import (
    Records,
    catalog,
    cores_of_epyc,
    covered,
    elapsed,
    mean,
    median,
    minutes,
    network,
    spread,
    tested,
)


def check_recipes(page: Page, records: Records) -> None:
    """Hold the table of the recipes."""
    for name, of, use in (
        ("baseline", "three convolutions, two dense layers", "the course assignment"),
        ("fast", "three strided convolutions, one residual block", "seconds"),
        ("fast93", "that of `fast`", "seconds"),
        ("fast94", "that of `balanced`", "minutes"),
        ("balanced", "residual, augmented, averaged weights", "minutes"),
        ("best", "wider residual, erased and mixed images", "45 minutes or more"),
        ("photo", "that of `balanced`, on images made to look like photos", "photos"),
    ):
        recipe = catalog()[name]
        parameters, flops = network(recipe)
        cells = f"{recipe['epochs']}", f"{parameters:,}", f"{flops / 1e6:.1f}"
        page.row(f"`{name}`", of, *cells, use)


def check(page: Page, records: Records) -> None:
    """Hold the front against its records."""
    baseline = tested(records.json("baseline/metrics.json")["final"])[0]
    times = "[the assignment](assignment.md#c-analysis-of-the-findings) has times"
    page.row("`baseline`", f"{baseline:.2f} %", "seed 0", "", "", times)
    _fast(page, records)
    _rungs(page, records)
    _balanced(page, records)
    _best(page, records)
    _together(page, records)
    _taught(page, records)
    _peers(page, records)


def _taught(page: Page, records: Records) -> None:
    """One network that learned from two."""
    metrics = records.json("distilled-patient/metrics.json")
    recipe = records.json("distilled-patient/recipe.json")
    teachers = records.json("distilled-patient/teacher.json")["facts"]["recipe"]["members"]
    size = records.json("distilled-patient/export.json")["bytes"] / 1e6
    accuracy, low, high = tested(metrics["final"])
    page.says("(seeds {} and {}, as [one file]", *(one["seed"] for one in teachers))
    page.says("taught a third one for {} epochs", recipe["epochs"])
    page.says("It has {:.2f} % of the test images", accuracy)
    page.says("images (95 % interval {:.2f} - {:.2f} %), within what", low, high)
    page.says("its ONNX file has {:.2f} MB", size)
    validated = metrics["final"]["validation"]["accuracy"]
    page.says("On validation images it has {:.1f} %", 100 * validated)
    page.says("That is one run, seed {}", recipe["seed"])
    alone = [100 * row["accuracy"] for row in records.json("balanced/study.json")["runs"]]
    if not min(alone) < accuracy < max(alone):
        page.fault("the student is not among the runs of balanced")


def _rungs(page: Page, records: Records) -> None:
    for goal in ("93", "94"):
        study = records.json(f"speedrun-{goal}/study.json")
        runs, where = study["runs"], study["environment"]
        keys = ("training_seconds", "command_seconds")
        page.row(
            f"`fast{goal}`",
            spread([100 * row["accuracy"] for row in runs]),
            f"n={len(runs)}, seeds 0 to {runs[-1]['seed']}",
            *(elapsed(median(row[key] for row in runs)) for key in keys),
            cores_of_epyc(where),
        )


def _together(page: Page, records: Records) -> None:
    alone = [100 * row["accuracy"] for row in records.json("speedrun-94/study.json")["runs"]]
    found = records.json("speedrun-94/ensemble.json")
    measured, calibration = found["facts"]["measured"], found["calibration"]
    share, low, high = (100 * one for one in (measured["accuracy"], *measured["interval"]))
    page.says("have {:.2f} % (95 % interval {:.2f} - {:.2f} %)", share, low, high)
    page.says("{:.2f} points more than their mean", share - mean(alone))
    if {len(found["runs"]), len(alone)} != {10}:
        page.fault("the ensemble is not of the ten runs of the study")
    mirrored = records.json("speedrun-94/ensemble-tta.json")["facts"]
    page.says("is not trained on, they have {:.2f} %", 100 * mirrored["measured"]["accuracy"])
    if catalog()["fast94"]["flip"] or not mirrored["recipe"]["tta"]:
        page.fault("fast94 is trained on mirror images, or that file does not see them")
    together = records.text("balanced/ensemble.txt").split("averaged: ")[1].split(" %")[0]
    page.says("Four runs of `balanced` together have {} %", together)
    if found["fitted_on"]["answered_by"] > 1.5:
        page.fault("most images are answered by several networks")
    page.says("its calibration error is {:.2f} %", 100 * calibration["after"]["ece"])
    page.says("hold the class of {:.1f} %", 100 * calibration["conformal"]["coverage"])
    (wrong,) = (one["wrong"] for one in calibration["reject"] if one["error_rate"] == 0.02)
    page.says("{:.1f} % of the answers at the threshold for 2 %", 100 * wrong)
    page.says("{:.1f} % of the images get a warning", 100 * found["test_images_warned_of"])
    page.says("of shirts {:.0f} %)", covered(found, "Shirt"))
    page.says("with {:.2f} classes on average", calibration["conformal"]["mean_size"])
    page.settings("at the threshold for 2 %", "(95 % are meant;", "(5 % are meant)")


def _fast(page: Page, records: Records) -> None:
    runs = records.json("speedrun/study.json")["runs"]
    accuracies = [100 * row["accuracy"] for row in runs]
    times = [median(row[key] for row in runs) for key in ("training_seconds", "command_seconds")]
    where = records.json("speedrun/study.json")["environment"]
    page.row(
        "`fast`",
        spread(accuracies),
        f"n={len(runs)}, seeds 0 to {runs[-1]['seed']}",
        *(f"{one:.1f} s" for one in times),
        cores_of_epyc(where),
    )
    beyond = median(row["command_seconds"] - row["training_seconds"] for row in runs)
    page.says("Of the {:.1f} s of the whole command {:.1f} s are not training", times[1], beyond)
    page.says("lowest of the {} runs has {:.2f} %", len(runs), min(accuracies))
    slow = records.json("speedrun-94/fast.json")["runs"]
    seconds = median(row["training_seconds"] for row in slow)
    page.says("there `fast` trains for {:.1f} s", seconds)
    lengths = [catalog()[name]["epochs"] for name in ("fast94", "balanced")]
    page.says("`fast94` has {} of the {} epochs of `balanced`", *lengths)


def _balanced(page: Page, records: Records) -> None:
    study = records.json("balanced/study.json")
    alone = records.json("balanced/seed-5/metrics.json")
    accuracies = {row["seed"]: 100 * row["accuracy"] for row in study["runs"]}
    elsewhere = [row["seed"] for row in study["runs"] if "environment" in row]
    for row in study["runs"]:
        where = row.get("environment", study["environment"])
        known = (
            ("AMD EPYC (AVX2)", "float32")
            if "environment" in row
            else ("Intel(R) Xeon(R) Processor (AVX512)", "bfloat16")
        )
        if (where["device_name"], where["mixed_precision_is"]) != known:
            page.fault(f"seed {row['seed']} of balanced ran on {where['device_name']}")
    page.row(
        "`balanced`",
        spread(list(accuracies.values())),
        f"n={len(accuracies)}, seeds {min(accuracies)} to {max(accuracies)}",
        minutes(alone["training_seconds"]),
        minutes(alone["command_seconds"]),
        "see below",
    )
    page.says("Seed {} ran in bfloat16 on the Xeon", 0)
    page.says("seeds {} to {} in float32 on one core", min(elsewhere), max(elsewhere))
    page.says(
        "those of seed {}, alone on {} cores",
        5,
        records.json("balanced/seed-5/environment.json")["threads"],
    )
    page.says(
        "two seeds have {:.2f} and {:.2f} % (seeds {} and {})",
        accuracies[0],
        tested(alone["final"])[0],
        0,
        5,
    )


def _best(page: Page, records: Records) -> None:
    runs = records.json("speedrun-95/study.json")["runs"]
    accuracies, alone = [100 * row["accuracy"] for row in runs], runs[-1]
    where = alone["environment"]
    page.row(
        "`best`",
        spread(accuracies),
        f"n={len(runs)}, seeds {runs[0]['seed']} to {alone['seed']}",
        minutes(alone["training_seconds"]),
        minutes(alone["command_seconds"]),
        cores_of_epyc(where),
    )
    page.says("those of seed {} on {} cores", alone["seed"], where["threads"])
    page.says(
        "Seeds {} and {} ran beside each other with one core each, for\n{:.0f} and {:.0f} minutes",
        *(row["seed"] for row in runs[:2]),
        *(row["training_seconds"] / 60 for row in runs[:2]),
    )
    chosen = tested(records.json("best/metrics.json")["final"])[0]
    page.says("chosen by its\n{:.2f} % of the test images", chosen)
    page.settings("among 3 candidates that opened the test set", "**Seed 0 had:**")
    together, mirrored = (
        records.json(f"speedrun-95/ensemble{name}.json")["facts"]["measured"]
        for name in ("", "-tta")
    )
    share, low, high = (100 * one for one in (together["accuracy"], *together["interval"]))
    page.says("as one file have {:.2f} % (95 % interval {:.2f} - {:.2f} %),", share, low, high)
    page.says("{:.2f} points more than their mean (", share - mean(accuracies))
    page.says("they have {:.2f} %\n([", 100 * mirrored["accuracy"])
    last = [
        records.csv(f"trials/resnet-42-epochs-{name}/history.csv")[-1]
        for name in ("cutmix-erasing", "balanced")
    ]
    page.says(
        "On the {:,} validation images the augmentation of `best` shows no gain over that\nof "
        "`balanced`, on the network of `balanced`: {:.2f} against {:.2f} %, one run of {:.0f} "
        "epochs",
        6000,
        *(100 * row["val_accuracy"] for row in last),
        last[0]["epoch"],
    )


_TOOLS = {
    "fast": "`fashion-cnn train fast --validation 0.1`",
    "fast94": "`fashion-cnn train fast94 --epochs 6 --label-smoothing 0.05 --validation 0.1`",
    "keras_convnet": "Keras, its example of a convnet for MNIST",
    "fastai_resnet18": "fastai, ResNet-18 as its tutorial trains it",
    "torchvision_resnet18": "torchvision, ResNet-18 as its reference trains it",
    "ultralytics_yolo26n": "Ultralytics, YOLO26n as its page on these data does, from nothing",
    "timm_resnet18": "timm, ResNet-18 by its `train.py`: 28 pixels, one epoch of warm-up, else "
    "its defaults",
}
_BEST_ANSWERS = {"ultralytics_yolo26n", "timm_resnet18"}


def _peers(page: Page, records: Records) -> None:
    """The tables of other tools: one run each, in one go on each of two machines."""
    here, there = records.json("peers.json"), records.json("peers-avx2.json")
    page.settings("All were trained on the same 54,000 images and validated on the same 6,000")
    page.settings("91.64 % is the test accuracy that a student's project reached")
    page.settings("A ResNet-18 is made for")
    fastai = here["peers"]["fastai_resnet18"]["validation"]
    page.says("fastai stood at {:.2f} % and was still rising", 100 * fastai[-1][1])
    if not fastai[0][1] < fastai[1][1] < fastai[2][1] or len(fastai) != 3:
        page.fault("fastai was not rising over three epochs")
    page.says("They ran one after the other on {} cores of an AMD EPYC with AVX-512", here["cores"])
    page.says("another, slower machine, {} cores of an AMD EPYC with AVX2", there["cores"])
    page.settings(
        "91.64 % of validation images after", "validation, last epoch within 1 min | within 10 min"
    )
    page.settings("One run each, ours with seed 0", "stands there twice: with 6 epochs")
    page.settings("ran once each, for 3 epochs (Keras 15), on 2 cores of two machines")
    given = {one["epochs"] for name, one in here["peers"].items() if name not in ("fast", "fast94")}
    if given != {3, 15} or {one["epochs"] for one in there["peers"].values()} != {2, 3}:
        page.fault("other tools had other epochs than three, and Keras its fifteen")
    warm = there["peers"]["timm_resnet18"]["validation"][0][1]
    page.says("ends below the picture, at {:.2f} %", 100 * warm)
    earlier = records.json("peers-earlier.json")["peers"]
    page.says(
        "not the same ones, and had {:.2f} and {:.2f} % of the test images",
        *(100 * earlier[name]["test_accuracy"] for name in ("fast", "fast94")),
    )
    for name, found in (*here["peers"].items(), *there["peers"].items()):
        goal = found["seconds_to_match"]
        page.row(
            _TOOLS[name],
            str(found["epochs"]),
            *(_after(found["validation"], minutes) for minutes in (1, 10)),
            f"{100 * found['test_accuracy']:.2f} %",
            f"{found['command_seconds']:.0f} s",
            "not reached" if goal is None else f"{goal:.0f} s",
            str(found["lines"]),
            "best epoch on validation" if name in _BEST_ANSWERS else "last epoch",
        )


def _after(validation: list[list[float]], minutes: int) -> str:
    """The accuracy of the last epoch that had ended by then."""
    ended = [accuracy for seconds, accuracy in validation if seconds <= 60 * minutes]
    return f"{100 * ended[-1]:.2f} %" if ended else "no epoch yet"
