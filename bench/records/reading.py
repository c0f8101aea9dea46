"""What the records hold, and the few formulas that make figures of it."""

import ast
import contextlib
import csv
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

REPOSITORY = Path(__file__).resolve().parents[2]
CONFUSED = ("T-shirt/top", "Pullover", "Coat", "Shirt")
Row = Mapping[str, Any]


def covered(ensemble: Row, name: str) -> float:
    """How often, in percent, the prediction sets of an exported file hold a class."""
    place = ensemble["facts"]["class_names"].index(name)
    return 100 * ensemble["calibration"]["conformal"]["coverage_by_class"][place]


class Records:
    """The folder docs/results; a path is one below it.

    Args: changed: texts that take the place of files, for tests of the checks themselves.
    """

    def __init__(self, changed: Mapping[str, str] | None = None) -> None:
        self._changed = dict(changed or {})

    def text(self, path: str) -> str:
        """Whole file."""
        if path in self._changed:
            return self._changed[path]
        return (REPOSITORY / "docs/results" / path).read_text()

    def json(self, path: str) -> Any:
        """What a JSON file holds."""
        return json.loads(self.text(path))

    def model_facts(self, name: str) -> dict[str, Any]:
        """What an ONNX file of the package says of itself in JSON; its size and SHA-256."""
        data = (REPOSITORY / "src/fashion_cnn/shipping/pretrained" / f"{name}.onnx").read_bytes()
        facts: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for found in re.finditer(rb"([a-z_]+)\x12.{1,2}?(?=[{\[\"])", data[-8192:], re.DOTALL):
            text = data[-8192:][found.end() :].decode("utf-8", "replace")
            with contextlib.suppress(ValueError):
                facts[found[1].decode()] = json.JSONDecoder().raw_decode(text)[0]
        return facts

    def csv(self, path: str) -> list[dict[str, float]]:
        """Rows of a table; cells without a number are left out."""
        rows = csv.DictReader(self.text(path).splitlines())
        number = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?")
        return [{k: float(v) for k, v in row.items() if number.fullmatch(v or "")} for row in rows]


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    held = list(values)
    return math.fsum(held) / len(held)  # np.mean's rounding shows where a mean ends in a five


def deviation(values: Iterable[float]) -> float:
    """Sample standard deviation, n - 1 below."""
    return float(np.std(list(values), ddof=1))


def median(values: Iterable[float]) -> float:
    """Median."""
    return float(np.median(list(values)))


def student(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and Student's 95 % interval of it."""
    centre, n = mean(values), len(values)
    reach = quantile(n - 1) * deviation(values) / n**0.5 if n > 1 else 0.0
    return centre, centre - reach, centre + reach


@functools.cache
def quantile(freedom: int) -> float:
    """Student's, two-sided, 95 %."""
    return float(stats.t.ppf(0.975, freedom))


def wilson(right: float, n: int) -> tuple[float, float]:
    """E. B. Wilson's 95 % interval of a share, in per cent."""
    found = stats.binomtest(round(right), n).proportion_ci(0.95, "wilson")
    return 100 * float(found.low), 100 * float(found.high)


def percents(study: Row, variant: str, quantity: str = "accuracy") -> dict[int, float]:
    """A variant's accuracy, "ece" or recall of a class in per cent, by seed."""
    found = {}
    for row in study["runs"]:
        value = row.get(quantity, row.get("class_accuracy", {}).get(quantity))
        if row["variant"] == variant and value is not None:
            found[row["seed"]] = 100 * value
    return found


def differences(study: Row, variant: str, first: str, quantity: str = "accuracy") -> list[float]:
    """A variant's values less those of the first, seed by seed, in percentage points."""
    own, its = percents(study, variant, quantity), percents(study, first, quantity)
    return [own[seed] - its[seed] for seed in sorted(own) if seed in its]


def seconds(study: Row, variant: str, key: str) -> list[float]:
    """Times of the runs in one go, where the first one ran."""
    rows = [row for row in study["runs"] if row["variant"] == variant]
    where = rows[0].get("environment") if rows else None
    return [
        row[key]
        for row in rows
        if key in row and not row["resumed"] and row.get("environment") == where
    ]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in per cent."""
    if not values:
        return ""
    return (
        f"{mean(values):.2f} ± {deviation(values):.2f} %"
        if len(values) > 1
        else f"{values[0]:.2f} %"
    )


def between(values: Sequence[float], digits: int = 2) -> str:
    """Mean of paired differences with its interval: "+0.10 (-0.40 to +0.61)"."""
    if not values:
        return ""
    centre, low, high = (f"{value:+.{digits}f}" for value in student(values))
    return f"{centre} ({low} to {high})" if len(values) > 1 else centre


def study_rows(study: Row) -> list[list[str]]:
    """The rows of a study's table: n, accuracy, paired difference from the first, times."""
    first, *_ = study["variants"]
    rows = []
    for variant in study["variants"]:
        own = list(percents(study, variant).values())
        all_of_it = [row for row in study["runs"] if row["variant"] == variant]
        times = []
        for key in ("training_seconds", "command_seconds"):
            found = seconds(study, variant, key)
            fewer = f" (n={len(found)})" if len(found) < len(all_of_it) else ""
            times.append(f"{median(found):.1f} s{fewer}" if found else "")
        diverged = len(all_of_it) - len(own)
        rows.append(
            [
                variant,
                f"{len(own)}" + (f" (and {diverged} diverged)" if diverged else ""),
                spread(own),
                "" if variant == first else between(differences(study, variant, first)),
                *times,
            ]
        )
    return rows


def minutes(of_seconds: float) -> str:
    """Write 523.2 as "8 min 43 s"."""
    whole = round(of_seconds)
    return f"{whole // 60} min {whole % 60} s"


def elapsed(of_seconds: float) -> str:
    """Write 67.6 as "67.6 s", and two minutes or more as `minutes`."""
    return f"{of_seconds:.1f} s" if of_seconds < 120 else minutes(of_seconds)


def kind_of_epyc(environment: Row) -> str:
    """What sets one AMD EPYC apart from another, and how it computes what is half precision."""
    known = {
        ("AMD EPYC (AVX512)", "bfloat16"): "AVX-512, bfloat16",
        ("AMD EPYC (AVX2)", "float32"): "AVX2, float32",
    }
    return known[environment["device_name"], environment["mixed_precision_is"]]


def cores_of_epyc(environment: Row) -> str:
    """The machine as the tables of accuracy and time name it."""
    return f"{environment['threads']} cores, AMD EPYC ({kind_of_epyc(environment)})"


def right(confusion: Sequence[Sequence[int]]) -> int:
    """How many images a confusion matrix has on its diagonal."""
    return int(np.trace(np.array(confusion)))


@functools.cache
def catalog() -> dict[str, dict[str, Any]]:
    """Every recipe's settings, read from the source without running it."""
    folder = REPOSITORY / "src/fashion_cnn/recipes"
    defaults: dict[str, Any] = {}
    for node in ast.walk(ast.parse((folder / "recipe.py").read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "Recipe":
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    defaults[field.target.id] = _value(field.value)
    found: dict[str, dict[str, Any]] = {}
    for node in ast.parse((folder / "catalog.py").read_text()).body:
        returned = node.body[-1] if isinstance(node, ast.FunctionDef) else None
        if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Call):
            call = returned.value
            given = {word.arg: _value(word.value) for word in call.keywords if word.arg}
            if isinstance(call.func, ast.Name) and call.func.id == "Recipe":
                found[node.name] = {**defaults, **given}  # type: ignore[union-attr]
            elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
                before = call.func.value.func
                assert isinstance(before, ast.Name)
                found[node.name] = {**found[before.id], **given}  # type: ignore[union-attr]
    return found


def _value(node: ast.expr | None) -> Any:
    """A number, word or quotient of numbers; a field made by a call has its `default`."""
    if isinstance(node, ast.Call):
        named = {word.arg: word.value for word in node.keywords}
        return _value(named.get("default") or (node.args[0] if node.args else None))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _value(node.left) / _value(node.right)
    try:
        return ast.literal_eval(node) if node else None
    except ValueError:
        return None


def network(recipe: Row) -> tuple[int, int]:
    """Learned parameters and floating-point operations an image forward, counted by hand.

    A multiplication and an addition are two operations; of the layers only products count.
    """
    width, blocks = recipe["width"], recipe["blocks"]
    if recipe["model"] == "simple_cnn":
        layers = [(28, 1, width), (14, width, 2 * width), (7, 2 * width, 4 * width)]
        flat = 9 * 4 * width
        learned = sum(9 * below * above + above for _, below, above in layers)
        learned += (flat + 1) * 128 + (128 + 1) * 10
        flops = sum(2 * side * side * 9 * below * above for side, below, above in layers)
        return learned, flops + 2 * (flat * 128 + 128 * 10)
    widths, strides, counts = {
        "strided_cnn": ((1, 2, 2), (2, 2, 2), (0, 0, 1)),
        "resnet": ((1, 2, 4), (2, 2, 2), (blocks,) * 3),
        "wide_resnet": ((1, 2, 4), (1, 2, 2), (blocks - 1, blocks, blocks)),
    }[recipe["model"]]
    side, below, learned = 27, 8, 0  # the whitening layer, 2x2, is not learned
    flops = 2 * side * side * 4 * below
    for times, stride, count in zip(widths, strides, counts, strict=True):
        above, side = times * width, (side - 1) // stride + 1
        for source in (below, *(above,) * (2 * count)):
            learned += 9 * source * above + above
            flops += 2 * side * side * 9 * source * above
        below = above
    return learned + 10 * below, flops + 2 * 10 * below


def accuracy(evaluation: Row) -> float:
    """Per cent, out of the confusion matrix."""
    confusion = evaluation["confusion"]
    return 100 * right(confusion) / sum(map(sum, confusion))


def tested(result: Row) -> tuple[float, float, float]:
    """Accuracy and Wilson's interval, per cent, out of the confusion matrix."""
    confusion = result["test"]["confusion"]
    return accuracy(result["test"]), *wilson(right(confusion), sum(map(sum, confusion)))
