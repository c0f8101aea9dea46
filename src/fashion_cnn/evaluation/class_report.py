"""The classification report: each class's scores and their averages, as scikit-learn lays it out.

Ours, because importing scikit-learn would be felt at the end of every short run.
"""

from collections.abc import Container, Sequence
from typing import Any

from fashion_cnn.run.results import ClassMetrics, Evaluation

_SCORES = {"precision": "precision", "recall": "recall", "f1-score": "f1"}
"""The report's words, and ours."""
_WORDS = ("accuracy", "macro avg", "weighted avg", "absent", "checkpoint", "split")
"""What the report holds besides classes; its writer adds the last two."""


def class_report(found: Evaluation) -> tuple[str, dict[str, Any]]:
    """Report an evaluation, by class and on average.

    Returns:
        The text, and the values. Each class by its name, "macro avg" and "weighted avg" have
        "precision", "recall", "f1-score" and "support". Besides there are "accuracy" and, if
        classes have no image, "absent" with their names; the macro average leaves those out.
        A class named like one of these, or "checkpoint" or "split", which the writer adds, has
        " (class)" behind its name.
    """
    there = [one for one in found.per_class if one.support]
    taken = {*_WORDS, *(one.name for one in found.per_class)}
    names = {one.name: _free(one.name, taken) for one in found.per_class}
    values: dict[str, Any] = {names[one.name]: _of(one) for one in found.per_class}
    values["accuracy"] = found.accuracy
    values["macro avg"] = _average(there, [1] * len(there), found.n)
    values["weighted avg"] = _average(there, [one.support for one in there], found.n)
    width = max(len(name) for name in values)
    lines = [f"{'':>{width}} {''.join(f' {word:>9}' for word in (*_SCORES, 'support'))}", ""]
    lines += [_row(one.name, _of(one), width) for one in found.per_class]
    lines += ["", f"{'accuracy':>{width}}  {'':>19} {found.accuracy:9.4f} {found.n:>9}"]
    lines += [_row(name, values[name], width) for name in ("macro avg", "weighted avg")]
    if absent := [one.name for one in found.per_class if not one.support]:
        values["absent"] = absent
        said = f"No image is of {', '.join(absent)}: the macro average is over the others."
        lines += ["", said]
    return "".join(f"{line}\n" for line in lines), values


def _free(name: str, taken: Container[str]) -> str:
    """The name, or where it is one of the report's words, another that nothing has."""
    if name not in _WORDS:
        return name
    while name in taken:
        name += " (class)"
    return name


def _of(one: ClassMetrics) -> dict[str, Any]:
    return {word: getattr(one, name) for word, name in _SCORES.items()} | {"support": one.support}


def _average(classes: Sequence[ClassMetrics], weights: Sequence[int], n: int) -> dict[str, float]:
    mean = {
        word: sum(w * getattr(one, name) for w, one in zip(weights, classes, strict=True))
        / sum(weights)
        for word, name in _SCORES.items()
    }
    return mean | {"support": n}


def _row(name: str, scores: dict[str, float], width: int) -> str:
    numbers = "".join(f" {scores[word]:9.4f}" for word in _SCORES)
    return f"{name:>{width}} {numbers} {scores['support']:>9}"
