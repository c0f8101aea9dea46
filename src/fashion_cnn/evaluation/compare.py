"""Whether one run is really better than another: from their folders alone."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.files import PREFIXES
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import Z95, wilson_interval
from fashion_cnn.files import from_here
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.command import run_command
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import Metrics

Interval = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """Runs of one recipe that differ in their seed alone.

    Attributes:
        name: the folder of a single run; of several the folder that they share, or else their
            recipe, and how many seeds; with a run's folder where that is not told apart.
        runs: their folders, by seed.
        accuracies: from 0 to 1, one a run.
        recalls: (runs, classes), NaN for a class without images.
        predictions: one a run; None for a record that keeps figures alone.
        counts: of the first run, by class: images that it has right, and images.
    """

    name: str
    runs: dict[int, str]
    accuracies: tuple[float, ...]
    recalls: NDArray[np.float64]
    predictions: tuple[Predictions | None, ...]
    counts: tuple[tuple[int, int], ...] = ()

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return statistics.mean(self.accuracies)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the accuracies over the seeds; None for a single run."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None

    @property
    def ensemble(self) -> Predictions | None:
        """What the runs answer together: the mean of their probabilities.

        None for a single run, and where one keeps no predictions.

        Source: Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474.
        """
        kept = [found for found in self.predictions if found]
        if len(kept) == 1 or len(kept) < len(self.predictions):
            return None
        together = np.mean([found.probabilities for found in kept], axis=0)
        return Predictions(kept[0].labels, together.argmax(1), together)

    @property
    def interval(self) -> Interval:
        """95 % interval: Student's of the mean over the seeds, Wilson's of a single run."""
        if self.deviation is None:
            (alone,) = self.predictions
            return accuracy_interval(alone) if alone else wilson_interval(*_all(self.counts))
        _, low, high = student_interval(self.accuracies)
        return low, high


@dataclass(frozen=True)
class McNemar:
    """Two runs on the same images.

    Attributes:
        gained, lost: positions of the images that the second alone has right, that the first
            alone has.
        exact_p, mid_p: two-sided p-values of "both are equally often right".
    """

    gained: NDArray[np.int64]
    lost: NDArray[np.int64]
    exact_p: float
    mid_p: float


@dataclass(frozen=True)
class Difference:
    """A second group less the first.

    Attributes:
        accuracy: difference of the mean accuracies.
        interval: its 95 % interval, by `method`.
        method: in words.
        recalls: (classes,) differences of the mean recalls.
        recall_intervals: 95 % intervals of these, for two single runs; else None.
        mcnemar: for two single runs that both keep their predictions; else None.
    """

    accuracy: float
    interval: Interval
    method: str
    recalls: NDArray[np.float64]
    recall_intervals: list[Interval] | None
    mcnemar: McNemar | None


@dataclass(frozen=True)
class Comparison:
    """Groups, and how each differs from the first.

    Attributes:
        split: what all were evaluated on, "test" or "validation".
        n: its images.
        class_names: of the classes.
        groups: in the order in which their runs were named.
        differences: of every group but the first.
    """

    split: str
    n: int
    class_names: tuple[str, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]


def compare(runs: Sequence[Run]) -> Comparison:
    """Compare runs on the same images.

    Of more than two, those of one recipe and framework with several seeds count as a group.

    Raises:
        UsageError: fewer than two runs, one was not evaluated, or they were not evaluated on the
            same images: a test set that is sealed on one side, other data, other validation parts.
    """
    if len({run.path.resolve() for run in runs}) < max(2, len(runs)):
        raise UsageError("name two runs or more, each once")
    members = [_member(run) for run in runs]
    for other in members[1:]:
        _must_be_comparable(members[0], other)
    alike: dict[tuple[object, ...], list[_Member]] = {}
    noted = next((one.data_sha256 for one in members if one.data_sha256), None)
    for one in members:
        recipe = dataclasses.astuple(one.recipe.replace(seed=0))
        data = _of_part(one.data_sha256 or noted, "validation")  # a record may not say
        of = str(recipe), one.run.environment.get("framework"), data
        alike.setdefault(of, []).append(one)
    groups = []
    for some in alike.values():
        if len({one.recipe.seed for one in some}) == len(some) and len(runs) > 2:
            groups.append(_group(some))
        else:  # two runs are asked about one by one; one seed twice is nothing to average
            groups += [_group([one]) for one in some]
    names = Counter(group.name for group in groups)
    for place, group in enumerate(groups):
        if names[group.name] > 1:
            one, seeds = from_here(Path(min(group.runs.values()))), len(group.runs)
            groups[place] = dataclasses.replace(group, name=f"{one} and others ({seeds} seeds)")
    first = members[0]
    return Comparison(
        first.metrics.reports_speak_on,
        _all(first.counts)[1],
        first.metrics.class_names,
        tuple(groups),
        tuple(_difference(groups[0], group) for group in groups[1:]),
    )


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """Test whether two runs are right equally often on the same images.

    Of the images that only one of them has right, each would be either's with probability 1/2.
    `mid_p` counts half of the outcome itself; it errs less on the safe side than `exact_p`.

    Source: McNemar 1947, doi 10.1007/BF02295996; Fagerland et al. 2013,
    doi 10.1186/1471-2288-13-91.
    """
    from scipy.stats import binom  # here: only this needs it

    gained = np.flatnonzero(second.correct & ~first.correct)
    lost = np.flatnonzero(first.correct & ~second.correct)
    n, fewer = len(gained) + len(lost), min(len(gained), len(lost))
    tail = float(binom.cdf(fewer, n, 0.5)) if n else 1.0
    exact = min(1.0, 2 * tail)
    mid = min(1.0, 2 * tail - float(binom.pmf(fewer, n, 0.5))) if n else 1.0
    return McNemar(gained, lost, exact, mid)


def accuracy_interval(predictions: Predictions) -> Interval:
    """95 % Wilson interval of the accuracy on these images."""
    return wilson_interval(int(predictions.correct.sum()), len(predictions.labels))


def paired_interval(gained: int, lost: int, n: int) -> Interval:
    """95 % interval of the difference of two proportions on the same `n` images.

    Wald's, after half an image was added to each of the four counts.

    Source: Agresti and Min 2005, doi 10.1002/sim.1781.
    """
    more, less, total = gained + 0.5, lost + 0.5, n + 2.0
    centre = (more - less) / total
    reach = Z95 * math.sqrt(more + less - (more - less) ** 2 / total) / total
    return max(-1.0, centre - reach), min(1.0, centre + reach)


def unpaired_interval(right: int, n: int, more: int, m: int) -> Interval:
    """95 % interval of `more / m - right / n`, two proportions that nothing pairs.

    Images that both have right by the same token are not made use of, so it is wider than need be.

    Source: Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I,
    method 10.
    """
    p, (low, high) = right / n, wilson_interval(right, n)
    q, (below, above) = more / m, wilson_interval(more, m)
    return q - p - math.hypot(q - below, high - p), q - p + math.hypot(above - q, p - low)


@dataclass(frozen=True)
class _Member:
    """A run, and what is compared of it."""

    run: Run
    recipe: Recipe
    metrics: Metrics
    predictions: Predictions | None
    data_sha256: object

    @cached_property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """By class: images that it has right, and images."""
        found = self.predictions
        if found is None:
            rows = enumerate(self.metrics.shown.confusion)
            return tuple((row[label], sum(row)) for label, row in rows)
        of_class = [found.labels == label for label in range(found.probabilities.shape[1])]
        return tuple((int(found.correct[of].sum()), int(of.sum())) for of in of_class)


def _member(run: Run) -> _Member:
    metrics, data = run.results.metrics, run.environment.get("data_sha256")
    if run.is_record:
        return _Member(run, run.recipe, metrics, None, data)
    if data is None:
        raise UsageError(
            f"{run.path}: its results lack 'data_sha256'; write them anew: "
            f"{run_command('evaluate', run.path)}"
        )
    return _Member(run, run.recipe, metrics, run.results.predictions, data)


def _must_be_comparable(one: _Member, other: _Member) -> None:
    split = one.metrics.reports_speak_on
    if split != other.metrics.reports_speak_on:
        sealed = (one if split == "validation" else other).run.path
        raise UsageError(
            f"{sealed} was evaluated on validation images, as its test set is sealed, and the "
            f"other run on test images; open it with: {run_command('evaluate', sealed)}"
        )
    parts = {(member.recipe.seed, member.recipe.validation) for member in (one, other)}
    known = [member.predictions.labels for member in (one, other) if member.predictions]
    hashes = {
        _of_part(m.data_sha256, split) for m in (one, other) if m.data_sha256 or not m.run.is_record
    }
    if (
        len(hashes) > 1
        or one.metrics.class_names != other.metrics.class_names
        or [images for _, images in one.counts] != [images for _, images in other.counts]
        or not np.array_equal(known[:1], known[-1:])
        or (split == "validation" and len(parts) > 1)
    ):
        raise UsageError(
            f"{one.run.path} and {other.run.path} were not evaluated on the same {split} images, "
            "so they cannot be compared image by image"
        )


def _of_part(data_sha256: object, split: str) -> str:
    """The hashes of the files that the images of "test" or "validation" are in."""
    if not isinstance(data_sha256, dict):
        return str(data_sha256)
    part = PREFIXES["test" if split == "test" else "train"]
    return str(sorted((name, sha) for name, sha in data_sha256.items() if name.startswith(part)))


def _group(members: Sequence[_Member]) -> Group:
    members = sorted(members, key=lambda member: member.recipe.seed)
    name = str(from_here(members[0].run.path))
    if len(members) > 1:
        shared = {member.run.path.parent for member in members}
        where = from_here(shared.pop()) if len(shared) == 1 else members[0].recipe.name
        name = f"{where} ({len(members)} seeds)"
    return Group(
        name,
        {member.recipe.seed: str(member.run.path) for member in members},
        tuple(right / images for right, images in (_all(member.counts) for member in members)),
        np.array([_recalls(member.counts) for member in members]),
        tuple(member.predictions for member in members),
        members[0].counts,
    )


def student_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and Student's 95 % interval of it; of one value, that value thrice."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, mean, mean
    error = statistics.stdev(values) / len(values) ** 0.5
    reach = student_quantile(len(values) - 1) * error
    return mean, mean - reach, mean + reach


def _difference(first: Group, second: Group) -> Difference:
    accuracy = second.mean - first.mean
    recalls = second.recalls.mean(0) - first.recalls.mean(0)
    if len(first.runs) == len(second.runs) == 1:
        (one,), (other,) = first.predictions, second.predictions
        if not (one and other):
            return _unpaired(first, second)
        test = mcnemar(one, other)
        of_classes = []
        for label in range(len(recalls)):
            gained, lost = (int((one.labels[p] == label).sum()) for p in (test.gained, test.lost))
            of_classes.append(paired_interval(gained, lost, int((one.labels == label).sum())))
        interval = paired_interval(len(test.gained), len(test.lost), len(one.labels))
        return Difference(accuracy, interval, "paired by image", recalls, of_classes, test)
    common = sorted(first.runs.keys() & second.runs.keys())
    if len(common) > 1 and len(common) == len(first.runs) == len(second.runs):
        pairs = [b - a for a, b in zip(first.accuracies, second.accuracies, strict=True)]
        _, low, high = student_interval(pairs)
        method = f"Student's, {len(pairs)} pairs of one seed"
    else:
        error, freedom = _welch(first, second)
        reach = student_quantile(freedom) * error
        low, high, method = accuracy - reach, accuracy + reach, "Welch's, over the seeds"
    return Difference(accuracy, (low, high), method, recalls, None, None)


def _unpaired(first: Group, second: Group) -> Difference:
    """Two single runs of which one keeps figures alone."""
    of_classes = [
        unpaired_interval(*one, *other) if one[1] else (-1.0, 1.0)
        for one, other in zip(first.counts, second.counts, strict=True)
    ]
    interval = unpaired_interval(*_all(first.counts), *_all(second.counts))
    recalls = second.recalls[0] - first.recalls[0]
    method = "not paired: predictions are not kept"
    return Difference(second.mean - first.mean, interval, method, recalls, of_classes, None)


def _all(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(right for right, _ in counts), sum(images for _, images in counts)


def _recalls(counts: Sequence[tuple[int, int]]) -> list[float]:
    return [right / images if images else math.nan for right, images in counts]


def _welch(first: Group, second: Group) -> tuple[float, float]:
    """Standard error and degrees of freedom; one run alone is given the other group's deviation."""
    n, m = len(first.runs), len(second.runs)
    a, b = first.deviation, second.deviation
    if a is None or b is None:
        shared = a if b is None else b
        assert shared is not None
        return shared * math.sqrt(1 / n + 1 / m), max(n, m) - 1
    v, w = a**2 / n, b**2 / m
    freedom = (v + w) ** 2 / (v**2 / (n - 1) + w**2 / (m - 1)) if v + w else n + m - 2
    return math.sqrt(v + w), freedom


def student_quantile(freedom: float) -> float:
    """How many standard errors Student's two-sided 95 % interval reaches to each side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
