"""Put the model of a run into the package, with its card: python3 bench/pretrained.py RUN.

One of `balanced` becomes what `predict` and `serve` answer with, one of `photo` what they answer
with for pictures on an uneven background, as it measures by docs/results/photos.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fashion_cnn.cli.output import say
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.export import export
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import FOR_PHOTOS, MODELS, PRETRAINED
from photos import READINGS, macro_interval


def main(path: Path) -> None:
    """Export the run, copy the file, write the card."""
    run = Run.open(path)
    target = MODELS / f"{run.recipe.name}.onnx"
    if target not in (PRETRAINED, FOR_PHOTOS):
        sys.exit(f"{path} is of {run.recipe.name}, not {PRETRAINED.stem} or {FOR_PHOTOS.stem}")
    with run.lock():
        export(run, data_directory(None, say))
    data = ExportFiles.of(run).model.read_bytes()
    words = card(run, OnnxClassifier(data))
    target.write_bytes(data)
    target.with_suffix(".md").write_text(words)
    print(f"wrote {target} and its card")


def card(run: Run, model: OnnxClassifier) -> str:
    """The model card, every figure from the run's record."""
    recipe, facts, split = run.recipe, model.facts, run.split
    measured, calibration, found = facts["measured"], facts["calibration"], run.results.calibration
    assert found is not None
    low, high = measured["interval"]
    checked, sets = found["measured"], found["measured"]["conformal"]
    environment = run.environment
    version = environment.get("torch") or environment.get("keras")
    smoothing = calibration["label_smoothing"]
    undone = f"Label smoothing of {smoothing:g} undone. " if smoothing else ""
    assert recipe == catalog.named(recipe.name).replace(seed=recipe.seed), "a recipe of its own"
    title, of_photos = "The model in the package", ""
    imitated = ", made to look cut out of photos" if recipe.photo else ""
    alone = ": nearly all hold one, so this says no more than the accuracy"
    alone = alone if sets["mean_size"] < 1.01 else ""
    measures = f""" Expected calibration error on {checked["split"]}:
{checked["before"]["ece"]:.1%} before, {checked["after"]["ece"]:.1%} after. The sets of classes that
it may be hold the true one for {sets["coverage"]:.1%}
({calibration["conformal"]["coverage"]:.0%} asked for), with {sets["mean_size"]:.2f} classes on
average{alone}."""
    if recipe.name == FOR_PHOTOS.stem:
        title, of_photos, measures = "The model in the package for photos", _of_photos(recipe), ""
    return f"""{head(recipe.name, measured)}# {title}: `{recipe.name}`

`{recipe.name}.onnx`, {model.size:,} bytes, SHA-256 `{model.sha256}`. It takes uint8 images
(N, 28, 28), white clothes on black as in Fashion-MNIST, and gives `logits` and calibrated
`probabilities` (N, 10) of: {", ".join(facts["class_names"])}.

**Data.** Fashion-MNIST (MIT licence), proven by SHA-256; trained on {split["training_images"]:,}
of the 60,000 training images, {split["validation_images"]:,} kept for validation and calibration.

**Recipe.** {catalog.description(recipe.name).splitlines()[0]} Seed {recipe.seed}, one run, not
chosen among others. `fashion-cnn recipes {recipe.name}` lists every setting; the file carries them
too.

**Accuracy.** {measured["accuracy"]:.2%} of {measured["n"]:,} {measured["split"]} images, 95 %
interval {100 * low:.2f} - {100 * high:.2f} %, by the checkpoint of step {facts["made_by"]["step"]}.

{of_photos}**Calibration.** {undone}Temperature {calibration["temperature"]:.3f}, fitted on
validation images{imitated}.{measures}

**Outliers.** It warns of those in which nothing speaks for or against a class; of the
validation images{imitated}, {facts["outlier"]["not_warned"]:.0%} are not warned about.

**What it is not for.** What is said of test and validation images holds for pictures made as the
data set's were: one piece of clothing from a shop's catalogue, upright, prepared as
`fashion_cnn.data.photo` does. Photos of clothes that are worn, folded, cut off or many at once are
another matter; it knows ten classes and says one of them of anything, a cat included. No decision
about people should hang on it.

**How to reproduce.** `fashion-cnn train {recipe.name} --seed {recipe.seed}`, then
`python3 bench/pretrained.py RUN`. Made with {environment["framework"]} {version},
{environment["threads"]} thread(s), {environment["device_name"]}; other versions, thread counts or
processors round otherwise, and the figures then differ by chance.
"""


def head(name: str, measured: dict[str, Any]) -> str:
    """What hubs of models read: a YAML head, with the accuracy on the data set."""
    return f"""---
license: mit
library_name: onnx
pipeline_tag: image-classification
tags: [fashion-mnist, image-classification, onnx]
datasets: [zalando-datasets/fashion_mnist]
metrics: [accuracy]
model-index:
  - name: {name}
    results:
      - task: {{type: image-classification}}
        dataset:
          {{name: Fashion-MNIST, type: zalando-datasets/fashion_mnist, split: {measured["split"]}}}
        metrics:
          - {{type: accuracy, value: {measured["accuracy"]:.4f}}}
---

"""


def _of_photos(recipe: Recipe) -> str:
    record = json.loads((Path(__file__).parents[1] / "docs/results/photos.json").read_text())
    assert record["model"] == recipe.to_dict(), "docs/results/photos.json is of another model"
    real = record["real_photos"]["held_out"]
    classes = real["classes"].values()
    count, share = sum(row["n"] for row in classes), real["macro_accuracy"]
    shares = [
        (row["accuracy"], *wilson_interval(round(row["accuracy"] * row["n"]), row["n"]))
        for row in classes
    ]
    low, high = macro_interval(shares)
    lines = [json.loads(line) for line in READINGS.read_text().splitlines()]
    before = max(line["reading"] for line in lines if line["record"] == "photos.json") - 1
    return f"""**Photos.** {share:.1%} of {count} photos of clothes on floors, sheets and hangers
(the mean over seven kinds of clothes, of which any class that fits counts: any shoe for shoes,
Pullover, Coat or Shirt for long sleeves, Coat or Pullover for outwear; 95 % interval
{100 * low:.1f} - {100 * high:.1f} %), on which it was neither trained nor tuned. They had been
read {before} times before, by this network and others.

"""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
