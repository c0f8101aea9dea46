"""Runs in a few lines of text."""

import dataclasses
from typing import Any

from fashion_cnn.commands import pasted
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.files import from_here
from fashion_cnn.process import launch
from fashion_cnn.process.machine import DEVICES
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import format_value, with_flag
from fashion_cnn.recipes.recipe import Recipe, flag_words
from fashion_cnn.run.dataset import class_names_of, is_fashion_mnist
from fashion_cnn.run.folder import Run
from fashion_cnn.run.results import Evaluation, Metrics
from fashion_cnn.text import duration, folded


def describe_recipe(recipe: Recipe, changes: dict[str, Any], origin: str) -> str:
    """State what of a recipe differs from the defaults, and where it comes from.

    Args:
        changes: the fields that a person gave.
        origin: where those come from that are neither from there nor defaults.
    """
    default = Recipe()
    groups: dict[str, list[str]] = {"given": [], origin: []}
    for item in dataclasses.fields(recipe):
        value = getattr(recipe, item.name)
        differs = value != getattr(default, item.name) and recipe.applies(item.name)
        if item.name == "name" or not (differs or item.name in changes):
            continue
        source = "given" if item.name in changes else origin
        groups[source].append(f"{item.name}={format_value(value)}")
    lines = [f"training {recipe.name}"]
    for source, values in groups.items():
        if values:
            lines += folded(f"{source}: {' '.join(values)}", "  ", "    ")
    return "\n".join(lines)


def explain_recipe(recipe: Recipe) -> list[tuple[str, str, str, str]]:
    """Each setting that decides something: name and flag, value, where it comes from, meaning.

    What neither the named recipe nor the defaults say was set for this run.
    """
    default, named = Recipe(), catalog.begun_as(recipe)
    rows = []
    for item in filter(lambda item: recipe.applies(item.name), dataclasses.fields(recipe)):
        value = getattr(recipe, item.name)
        if item.name == "name":
            origin = "recipe"
        elif value != getattr(named, item.name):
            origin = "this run"
        else:
            origin = "default" if value == getattr(default, item.name) else f"recipe {named.name}"
        rows.append((with_flag(item), format_value(value), origin, item.metadata["help"]))
    return rows


def reproduce(run: Run) -> str:
    """The command that does a run again, where its data still are."""
    recipe, environment = run.recipe, run.environment
    named = catalog.begun_as(recipe)
    words = [*launch.program(environment.get("ranks", 1)), "train", named.name]
    for name, value in recipe.changes_from(named).items():
        if name != "name" and recipe.applies(name):
            words += flag_words(name, run.model_given if name == "model" else value)
    if environment.get("framework") == "keras":
        words = [f"KERAS_BACKEND={environment.get('backend', 'tensorflow')}", *words]
        words += ["--framework", "keras"]
    if isinstance(environment.get("threads"), int):
        words += ["--threads", str(environment["threads"])]
    if (device := environment.get("device")) in DEVICES:
        words += ["--device", device]
    words += ["--deterministic"] * (environment.get("deterministic") is True)
    words += ["--no-test"] * run.split["test_sealed"]
    others = class_names_of(run) != CLASS_NAMES  # with its images, perhaps
    if others or not is_fashion_mnist(environment.get("data_sha256")):
        words += ["--data-dir", str(run.split.get("data_dir", run.split["data"]))]
    return pasted(words)


def repeats_bits(run: Run) -> bool:
    """Whether the command that does a run again gives the same bits on the same kind of machine."""
    environment = run.environment
    on_cpu = environment.get("device") == "cpu"
    alone = environment.get("threads") == 1
    certain = environment.get("framework") == "pytorch" or alone
    return environment.get("deterministic") is True or (on_cpu and certain)


def _of_how_many(metrics: Metrics) -> str:
    measured = metrics.final.training
    return f", training of {measured.n:,} images" if measured else ""


def summarise(run: Run, metrics: Metrics) -> str:
    """The short table at the end of a run: accuracies with intervals, time, and where all is."""
    rows = [("", "step", "epoch", "training", "validation", "test", "95 % interval")]
    for name in ("best", "final", "tta"):
        if result := getattr(metrics, name):
            label = f"{metrics.reports_speak_of} + TTA" if name == "tta" else name
            low, high = result.test.interval if result.test else (0, 0)
            rows.append(
                (
                    label,
                    str(result.step),
                    f"{result.epoch:g}",
                    _measured(result.training, "-"),
                    _measured(result.validation),
                    _measured(result.test, "sealed"),
                    f"{100 * low:.2f} - {100 * high:.2f} %" if result.test else "",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(
        [
            "",
            *table,
            f"(accuracy and loss, without dropout or augmentation{_of_how_many(metrics)};",
            "the interval is of the test accuracy)",
            "",
            f"{metrics.status}: {duration(metrics.training_seconds)} of training and validation; "
            f"the command took {duration(metrics.command_seconds)}",
            f"test set opened {metrics.test_readings} time(s) by this run",
            f"results in {from_here(run.path)}/: metrics.json, plots, report, checkpoints",
        ]
    )


def _measured(found: Evaluation | None, otherwise: str = "") -> str:
    return f"{100 * found.accuracy:.2f} % {found.loss:.3f}" if found else otherwise
