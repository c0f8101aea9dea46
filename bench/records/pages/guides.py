"""The guides: few figures each, beside the settings and limits that they name."""

import re
from collections.abc import Callable

from bench.records.page import Page
from bench.records.reading import (
    Records,
    Row,
    accuracy,
    between,
    catalog,
    covered,
    differences,
    mean,
    median,
    percents,
    spread,
    student,
    tested,
)


def first_model(page: Page, records: Records) -> None:
    """What `train fast` prints, in docs/first-model.md and README.md: all that the run kept."""
    if "6,000" in page.text:
        page.settings("keeps 6,000 of them; `fast` alone keeps 1,000")
    history = records.csv("first-model/history.csv")
    metrics = records.json("first-model/metrics.json")
    lines, lowest = [], float("inf")
    for row in history:
        better, lowest = row["val_loss"] < lowest, min(lowest, row["val_loss"])
        lines.append(
            f"epoch {row['epoch']:.0f}/{len(history)}: train {row['train_loss']:.4f} "
            f"{100 * row['train_accuracy']:.1f} %, validation loss {row['val_loss']:.4f} "
            f"{100 * row['val_accuracy']:.2f} %, {row['seconds']:.1f} s{' best' * better}"
        )
    for name in ("best", "final"):
        found = metrics[name]
        measured = [
            f"{accuracy(found[part]):.2f} % {found[part]['loss']:.3f}"
            for part in ("training", "validation", "test")
        ]
        _, low, high = tested(found)
        lines.append(
            f"{name:>5} {found['step']:>5} {found['epoch']:>6g}  {'  '.join(measured)}  "
            f"{low:.2f} - {high:.2f} %"
        )
    page.says("images that it learned from, {:,} of them", metrics["final"]["training"]["n"])
    for shown in re.findall(r"^epoch \d.*|^ *(?:best|final) +\d.*", page.text, re.MULTILINE):
        if shown not in lines:
            page.fault(f"the run on record did not print {shown!r}")


def calibrate(page: Page, records: Records) -> None:
    """docs/calibrate.md."""
    runs = records.json("balanced/evaluations.json")["runs"]
    seeds = [row["seed"] for row in runs]
    before, after = (100 * mean(row[when]["ece"] for row in runs) for when in ("before", "after"))
    page.says("mean of seeds {} to {} of `balanced`", min(seeds), max(seeds))
    page.row("as trained", f"{before:.1f} %")
    page.row("calibrated", f"{after:.2f} %")
    page.settings("nine times in ten may say 99 % each", "the true class in 95 % of cases")
    page.settings("the share of wrong ones at about 5 %")
    ensemble = records.json("speedrun-94/ensemble.json")
    page.says("[of shirts {:.0f} %]", covered(ensemble, "Shirt"))


def audit(page: Page, records: Records) -> None:
    """docs/audit.md."""
    record = records.json("audit/audit.json")
    images = record["images"]
    page.row("images compared", f"{sum(images.values()):,}")
    page.row(
        "test images with a near-duplicate in the training set",
        f"{len(record['test_images_near_training'])} of {images['test']:,}",
    )
    if any(kinds["exact"] for kinds in record["pairs"].values()):
        page.fault("two images are equal")
    parts = ("train, out of fold", "test, by the run")
    (share,) = {round(100 * record["label_noise"][part]["accuracy"]) for part in parts}
    page.row("labels estimated to be right", f"about {share} %")


def export(page: Page, records: Records) -> None:
    """docs/export.md."""
    page.settings(
        "On all 10,000 test images it must give the trained model's classes",
        "logits and probabilities at most 0.0001 apart",
        "the framework's own exporter (opset 18)",
        "at most 8 MB and 25 megapixels",
        "turns away with 503",
        "`$FASHION_CNN_TOKEN`: at least 16 characters",
        "runs as user 10001 on",
    )


def keras(page: Page, records: Records) -> None:
    """docs/keras.md."""
    page.settings(
        "is the assignment in Keras 3 on TensorFlow",
        "the same class for all 10,000 test images, with logits at most 0.0001 apart",
    )
    study = records.json("frameworks/study.json")
    if not all(len(percents(study, name)) == 10 for name in ("pytorch", "keras")):
        page.fault("not ten seeds each")
    epochs = study["recipes"]["keras"]["epochs"]
    centre, low, high = student(differences(study, "keras", "pytorch"))
    page.row(
        f"Keras less PyTorch, ten seeds of {epochs} epochs, test accuracy",
        f"{centre:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})",
    )
    metrics = records.json("baseline-keras/metrics.json")
    seed = records.json("baseline-keras/recipe.json")["seed"]
    for name in ("best", "final"):
        page.row(
            f"the full run in Keras, seed {seed}, {name} checkpoint",
            f"{tested(metrics[name])[0]:.2f} %",
        )


def fine_tune(page: Page, records: Records) -> None:
    """docs/fine-tune.md."""
    study = records.json("transfer/study.json")
    images, seeds = study["runs"][0]["n"], len(study["seeds"])
    page.says("Accuracy on {} validation photos, n={} seeds", images, seeds)
    page.says("enlarged (to {} pixels", catalog()["baseline"]["input_side"])
    for size in ("10 a class", "30 a class", "100 a class", "all"):
        scratch, moved = (f"{size}, from {start}" for start in ("scratch", "Fashion-MNIST"))
        page.row(
            size,
            *(spread(list(percents(study, side).values())) for side in (scratch, moved)),
            between(differences(study, moved, scratch), 1),
        )
    _imagenet(page, records)
    _imagenet_on_photos(page, records)
    study = records.json("distilled/study.json")
    found = differences(study, "taught", "labels alone")
    page.says("`fast` with {} epochs, with a teacher", study["recipes"]["taught"]["epochs"])
    page.says(
        "{:+.2f} points of test accuracy (95 % interval {:+.2f} to {:+.2f}; n={}, one",
        *student(found),
        len(found),
    )


def _as_long(page: Page, ours: Row) -> None:
    """Our networks on all images."""
    times = {
        name: {
            run["seed"]: run["training_seconds"]
            for run in ours["runs"]
            if run["variant"] == f"54,000 images, {name}"
        }
        for name in ("baseline", "balanced")
    }
    epochs = {name: ours["recipes"][f"54,000 images, {name}"]["epochs"] for name in times}
    seconds = times["balanced"].values()
    page.says(
        "`balanced` had {} epochs, {:.0f} to {:.0f} s, and is ahead",
        epochs["balanced"],
        min(seconds),
        max(seconds),
    )
    page.says(
        "`baseline` had {}, and took longer than was meant: {:.0f} and {:.0f} s "
        "(seeds {} and {}; seed {} stood",
        *(epochs["baseline"], times["baseline"][1], times["baseline"][2], 1, 2, 0),
    )


def _imagenet(page: Page, records: Records) -> None:
    study, ours = records.json("imagenet/study.json"), records.json("few-images/study.json")
    (seeds,) = {len(one["seeds"]) for one in (study, ours)}
    page.says("Test accuracy, n={} seeds", seeds)
    (side,) = {fields["input_side"] for fields in study["variants"].values()}
    page.says("enlarged to {} pixels", side)
    for size in ("600 images", "6,000 images", "54,000 images"):
        nothing, moved = (f"{size}, from {start}" for start in ("nothing", "ImageNet"))
        page.row(
            size,
            *(spread(list(percents(study, side).values())) for side in (nothing, moved)),
            between(differences(study, moved, nothing), 1),
            *(
                spread(list(percents(ours, name).values())) if name in ours["variants"] else ""
                for name in (f"{size}, baseline", f"{size}, balanced")
            ),
        )
    times = [
        median(run["training_seconds"] for run in one["runs"] if run["variant"] == variant)
        for one in (study, ours)
        for variant in one["variants"]
        if variant.startswith("6,000")
    ]
    page.settings(
        "With 6,000 and 54,000 images `balanced`",
        "is better than\nLite0 at 64 pixels",
        "with 600 three seeds",
        "With 6,000 images the four",
    )
    page.says("took {:.0f} to {:.0f} s to train (medians", min(times), max(times))
    epochs, seconds = zip(
        *(
            (run["epochs"], run["training_seconds"])
            for run in study["runs"]
            if run["variant"].startswith("54,000")
        ),
        strict=True,
    )
    if {*epochs} != {1}:
        page.fault("54,000 images were trained on for more than an epoch")
    page.settings("With 54,000 images Lite0 had one epoch from either start")
    page.says("either start, {:.0f} to {:.0f} s of one", min(seconds), max(seconds))
    _as_long(page, ours)
    sides = records.json("trials/imagenet-side/study.json")
    for fields in sides["variants"].values():
        if fields["train_images"] != 6000:
            page.fault("the trial of sides had other images")
    page.settings("with 6,000 to train on and one seed")
    page.says(
        "answered {:.2f}, {:.2f}, {:.2f} and {:.2f} % at {}, {}, {} and {} pixels",
        *(100 * run["accuracy"] for run in sides["runs"]),
        *(fields["input_side"] for fields in sides["variants"].values()),
    )


def _imagenet_on_photos(page: Page, records: Records) -> None:
    study = records.json("imagenet-photos/study.json")
    photos, seeds = study["runs"][0]["n"], len(study["seeds"])
    page.says(
        "accuracy on {} validation photos of the ten kinds [above](#what-it-is-worth), n={} seeds",
        photos,
        seeds,
    )
    starts = ("from scratch", "from Fashion-MNIST", "Lite0 from ImageNet")
    for size in ("10 a class", "all"):
        ours, theirs = (f"{size}, {start}" for start in starts[1:])
        page.row(
            size,
            *(spread(list(percents(study, f"{size}, {start}").values())) for start in starts),
            between(differences(study, theirs, ours), 1),
        )
    times = [
        median(run["training_seconds"] for run in study["runs"] if run["variant"] == f"all, {one}")
        for one in starts[1:]
    ]
    page.says("took {:.0f} s to train on all photos where `fast` took {:.0f} s", *reversed(times))


def what_it_sees(page: Page, records: Records) -> None:
    """docs/what-it-sees.md."""
    found = {row["recipe"]: row for row in records.json("layers.json")}
    box, assignment = found["balanced"], found["baseline"]
    page.says("{:.1f} ms of one core with the model `balanced` in the package", box["all_ms"])
    page.says("{:.1f} ms of it for maps and features", box["maps_ms"])
    page.says("It sends {:.0f} kB to the page", box["bytes"] / 1000)
    page.says(
        "the assignment's network it takes {:.1f} ms and {:.0f} kB",
        assignment["all_ms"],
        assignment["bytes"] / 1000,
    )
    page.says("(medians of {}, [record](results/layers.json))", box["n"])


def settings(*sentences: str) -> Callable[[Page, Records], None]:
    """A check of a page that has no figures: its numbers are choices and limits."""

    def check(page: Page, records: Records) -> None:
        page.settings(*sentences)

    return check
