"""Studies: variants of a recipe times seeds, each run in a process of its own, one table."""

import dataclasses
import os
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from fashion_cnn.errors import FashionCNNError, UsageError
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe, flag, nearest
from fashion_cnn.run.files import from_json, to_json, write_atomically
from fashion_cnn.run.folder import Run

_KEYS = {"recipe": str, "seeds": list, "measure": str, "fields": dict, "variants": dict}


@dataclass(frozen=True)
class Study:
    """What to compare.

    Attributes:
        name: of the folder and the table.
        recipe: the catalogue entry that every run begins as.
        seeds: each variant is trained with all of them.
        measure: "validation", which leaves the test set sealed, or "test".
        variants: names, and the fields in which each differs; the first is what the others are
            compared with.
    """

    name: str
    recipe: str
    seeds: tuple[int, ...]
    measure: str
    variants: Mapping[str, Mapping[str, Any]]

    def recipe_of(self, variant: str, seed: int) -> Recipe:
        """The recipe of one run."""
        return catalog.named(self.recipe).replace(**self.variants[variant], seed=seed)


def open_study(file_or_name: str) -> Study:
    """Read a study from a TOML file, or one that comes with the package by its name.

    The keys: `recipe`; `seeds`, a list; `measure`, "validation" or "test"; `fields`, a table of
    what all variants have; `variants`, a table of tables.

    Raises:
        UsageError: no such study, or what it holds is not one.
    """
    shipped = {
        item.name.removesuffix(".toml"): item
        for item in resources.files("fashion_cnn").joinpath("studies").iterdir()
        if item.name.endswith(".toml")
    }
    if file_or_name in shipped:
        name, text = file_or_name, shipped[file_or_name].read_text()
    elif (path := Path(file_or_name)).is_file():
        name, text = path.stem, path.read_text()
    else:
        raise UsageError(
            f"no study {file_or_name!r}{nearest(file_or_name, list(shipped))}; give a TOML file, "
            f"or one of: {', '.join(sorted(shipped))}"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"study {name}: {error}") from None
    for key in values:
        if key not in _KEYS:
            raise UsageError(f"study {name}: unknown key {key!r}{nearest(key, list(_KEYS))}")
    for key, kind in _KEYS.items():
        if not isinstance(values.setdefault(key, {}) if key == "fields" else values.get(key), kind):
            raise UsageError(f"study {name}: {key} must be there, and a {kind.__name__}")
    if values["measure"] not in ("validation", "test"):
        raise UsageError(f"study {name}: measure must be 'validation' or 'test'")
    if not values["variants"] or not values["seeds"]:
        raise UsageError(f"study {name}: it needs a variant and a seed at least")
    variants = {
        variant: {
            field: tuple(value) if isinstance(value, list) else value
            for field, value in {**values["fields"], **fields}.items()
        }
        for variant, fields in values["variants"].items()
    }
    study = Study(name, values["recipe"], tuple(values["seeds"]), values["measure"], variants)
    for variant in variants:  # a wrong field is told before an hour of training
        for seed in study.seeds:
            study.recipe_of(variant, seed)
    return study


def run_study(
    study: Study, folder: Path, arguments: list[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Train what is not trained yet; seeds in the outer loop, so that pairs are near in time.

    Each run is the command `fashion-cnn train`, in a process of its own. Stopped at any moment,
    the study goes on where it was.

    Args:
        folder: for the runs, `VARIANT/seed-N`, and `study.json`.
        arguments: for every command, for instance `--threads 1`.
        say: gets a line a run.

    Returns:
        What `study.json` holds: the study, the recipes, the environment, and a row a run.

    Raises:
        UsageError: the folder holds runs of other recipes under these names.
        FashionCNNError: a run failed; its own message stands above.
    """
    record = folder / "study.json"
    recipes = {v: study.recipe_of(v, study.seeds[0]).to_dict() for v in study.variants}
    result: dict[str, Any] = {"environment": {}, "runs": []}
    if record.exists():
        result = from_json(record.read_bytes(), str(record))
        for variant, recipe in recipes.items():
            if result["recipes"].get(variant, recipe) != recipe:
                raise UsageError(
                    f"{record} has other values for {variant!r}; give another --output"
                )
    result |= {**dataclasses.asdict(study), "recipes": recipes}
    done = {(row["variant"], row["seed"]) for row in result["runs"]}
    for seed in study.seeds:
        for variant in study.variants:
            if (variant, seed) in done:
                continue
            path = folder / variant.replace(" ", "-").replace("/", "-") / f"seed-{seed}"
            row = _train(study, variant, seed, path, arguments)
            result["environment"] = result["environment"] or row["environment"]
            if row["environment"] == result["environment"]:
                del row["environment"]
            result["runs"].append(row)
            write_atomically(record, to_json(result))
            say(
                f"{variant}, seed {seed}: {100 * row['accuracy']:.2f} % in "
                f"{row['training_seconds']:.1f} s, {row['process_seconds']:.1f} s in all"
            )
    return result


def to_table(result: Mapping[str, Any]) -> str:
    """Show a study as a Markdown table: mean and sd over the seeds, and paired differences.

    Args: result: what `run_study` returned.
    """
    first = next(iter(result["variants"]))
    baseline = _accuracies(result, first)
    lines = [
        f"| {result['recipe']}, {result['measure']} accuracy | n | mean ± sd | paired difference, "
        "95 % interval | training, median | process, median |",
        "|---|---|---|---|---|---|",
    ]
    for variant in result["variants"]:
        own = _accuracies(result, variant)
        rows = [row for row in result["runs"] if row["variant"] == variant]
        pairs = [own[seed] - baseline[seed] for seed in own if seed in baseline]
        times = [
            statistics.median(row[key] for row in rows)
            for key in ("training_seconds", "process_seconds")
        ]
        lines.append(
            f"| {variant} | {len(own)} | {_mean_sd(list(own.values()))} | "
            f"{'' if variant == first else _interval(pairs)} | "
            f"{times[0]:.1f} s | {times[1]:.1f} s |"
        )
    return "\n".join(lines)


def _train(
    study: Study, variant: str, seed: int, path: Path, arguments: list[str]
) -> dict[str, Any]:
    """Run one command and read what it left."""
    changes = {**study.variants[variant], "seed": seed}
    words = ["train", study.recipe, *(w for name in changes for w in _flag(name, changes[name]))]
    if study.measure == "validation":
        words.append("--no-test")
    words += [*arguments, "--output", str(path)]
    resumed = (path / "checkpoints").exists()
    began = time.monotonic()
    command = [sys.executable, "-m", "fashion_cnn", *words, *(["--resume"] if resumed else [])]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ)
    seconds = time.monotonic() - began
    if done.returncode:
        raise FashionCNNError(f"{variant}, seed {seed}: fashion-cnn ended with {done.returncode}")
    run = Run.open(path)
    metrics = run.metrics or {}
    shown = metrics[metrics["reports_speak_of"]][study.measure]
    return {
        "variant": variant,
        "seed": seed,
        "command": ["fashion-cnn", *words],
        "resumed": resumed,
        "accuracy": shown["accuracy"],
        "loss": shown["loss"],
        "training_seconds": metrics["training_seconds"],
        "process_seconds": seconds,
        "environment": {k: v for k, v in run.environment.items() if k != "command"},
    }


def _flag(name: str, value: Any) -> list[str]:
    item = next(item for item in dataclasses.fields(Recipe) if item.name == name)
    if isinstance(value, bool):
        return [flag(item) if value else flag(item).replace("--", "--no-", 1)]
    return [flag(item), ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def _accuracies(result: Mapping[str, Any], variant: str) -> dict[int, float]:
    return {
        row["seed"]: 100 * row["accuracy"] for row in result["runs"] if row["variant"] == variant
    }


def _mean_sd(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread} %"


def _interval(differences: list[float]) -> str:
    """Student's interval of a mean."""
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.2f}"
    error = statistics.stdev(differences) / len(differences) ** 0.5
    reach = float(student.ppf(0.975, len(differences) - 1)) * error
    return f"{mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f})"
