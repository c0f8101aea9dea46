"""What the product computes, computed once more with numpy, scipy and PyTorch's functions alone."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F
from scipy import optimize, special, stats
from torch import Tensor

SET_COVERAGE = 0.95
LEAST_LEFT = 0.03  # of a class that has less than smoothing alone would give it


# -- the assignment's network ----------------------------------------------------------------------


def simple_cnn(weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Logits, (N, C), of the assignment's network without dropout, in the weights' precision."""
    x = (images[:, None].to(weights["mean"].dtype) / 255 - weights["mean"]) / weights["std"]
    for name in ("conv1", "conv2", "conv3"):
        x = F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
        x = F.max_pool2d(F.relu(x), 2)
    x = F.relu(F.linear(x.flatten(1), weights["hidden.weight"], weights["hidden.bias"]))
    return F.linear(x, weights["output.weight"], weights["output.bias"])


def logits_of(checkpoint: Path, images: np.ndarray) -> np.ndarray:
    """What the weights of a checkpoint of the assignment's network say, in float64."""
    arrays = safetensors.numpy.load_file(checkpoint / "model.safetensors")
    weights = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    return simple_cnn(weights, torch.from_numpy(images.copy())).numpy()


# -- metrics ---------------------------------------------------------------------------------------


def wilson(hits: int, n: int) -> tuple[float, float]:
    found = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def scores(log_probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Cross-entropy, Brier score, calibration error in 15 bins (low, high], mean confidence."""
    probabilities = np.exp(log_probabilities)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    gap = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    off = probabilities.copy()
    off[np.arange(len(labels)), labels] -= 1
    return {
        "loss": -float(np.mean([row[k] for row, k in zip(log_probabilities, labels, strict=True)])),
        "brier": float((off**2).sum() / len(labels)),
        "ece": float(gap),
        "mean_confidence": float(confidence.mean()),
    }


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int = 10) -> list[list[int]]:
    """A row a true class."""
    return [
        [int(((labels == true) & (predicted == called)).sum()) for called in range(classes)]
        for true in range(classes)
    ]


def measured(logits: np.ndarray, labels: np.ndarray, classes: int = 10) -> dict[str, Any]:
    """What `metrics.json` says of a checkpoint on a part, but for the names."""
    predicted = logits.argmax(1)
    confusion = np.array(confusion_of(labels, predicted, classes))
    hits = confusion.diagonal()
    called, there = confusion.sum(0), confusion.sum(1)
    return {
        "n": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "interval": wilson(int(hits.sum()), len(labels)),
        "confusion": confusion.tolist(),
        "precision": (hits / np.maximum(called, 1)).tolist(),
        "recall": (hits / np.maximum(there, 1)).tolist(),
        "f1": (2 * hits / np.maximum(called + there, 1)).tolist(),
        "support": there.tolist(),
        **scores(special.log_softmax(logits, axis=1), labels),
    }


# -- calibration -----------------------------------------------------------------------------------


def without_smoothing(logits: np.ndarray, smoothing: float) -> np.ndarray:
    """Logarithms of what is left of the probabilities without the part that smoothing gave."""
    if not smoothing:
        return logits
    probabilities = special.softmax(logits, axis=1)
    given = smoothing / logits.shape[1]
    return np.log(np.maximum(probabilities - given, LEAST_LEFT * probabilities))


def calibrate(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> dict[str, Any]:
    """Temperature with its interval, threshold of the sets, thresholds to reject by."""
    logits, places = without_smoothing(logits, smoothing), np.arange(len(labels))

    def losses(inverse: float) -> np.ndarray:
        return -special.log_softmax(logits * inverse, axis=1)[places, labels]

    found = optimize.minimize_scalar(lambda log: losses(math.exp(log)).mean(), (-1, 1), tol=1e-10)
    inverse, step = math.exp(found.x), 1e-4
    slopes = (losses(inverse + step) - losses(inverse - step)) / (2 * step)
    bends = (losses(inverse + step) - 2 * losses(inverse) + losses(inverse - step)) / step**2
    reach = stats.norm.ppf(0.975) * math.sqrt((slopes**2).sum()) / bends.sum()
    probabilities = special.softmax(logits * inverse, axis=1)
    above = sorted(
        row[row > row[label]].sum() for row, label in zip(probabilities, labels, strict=True)
    )
    rank = math.ceil((len(labels) + 1) * SET_COVERAGE)
    spread = stats.beta(rank, len(labels) + 1 - rank).ppf([0.025, 0.975])
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    return {
        "temperature": 1 / inverse,
        "interval": [1 / (inverse + reach), 1 / (inverse - reach)],
        "set_threshold": above[rank - 1],
        "expected_coverage_interval": spread.tolist(),
        "reject": {
            rate: reject_threshold(confidence, right, rate)
            for rate in (0.005, 0.01, 0.02, 0.03, 0.05)
        },
    }


def reject_threshold(confidence: np.ndarray, right: np.ndarray, rate: float) -> float | None:
    """The least confidence at or above which (wrong + 1) / (answered + 1) is at most `rate`."""
    fitting = [
        least
        for least in confidence
        if (~right[confidence >= least]).sum() + 1 <= rate * ((confidence >= least).sum() + 1)
    ]
    return float(min(fitting)) if fitting else None


# -- optimisers ------------------------------------------------------------------------------------

Update = Callable[[str, np.ndarray, np.ndarray, float], np.ndarray]


def optimiser(
    kind: str,
    momentum: float,
    beta2: float,
    decay: float,
) -> Update:
    """A function of a tensor's name, its values, its gradient and the rate, to its new values."""
    memory: dict[str, tuple[int, np.ndarray, np.ndarray]] = {}

    def update(name: str, x: np.ndarray, gradient: np.ndarray, rate: float) -> np.ndarray:
        step, first, second = memory.get(name, (0, np.zeros_like(x), np.zeros_like(x)))
        step += 1
        if kind == "sgd":
            if x.ndim > 1:
                gradient = gradient + decay * x
            first = momentum * first + gradient
            memory[name] = step, first, second
            return x - rate * (gradient + momentum * first if momentum else gradient)
        if kind == "muon" and x.ndim == 4:
            first = momentum * first + gradient
            memory[name] = step, first, second
            matrix = (gradient + momentum * first).reshape(len(x), -1)
            move = 0.2 * max(matrix.shape) ** 0.5 * newton_schulz(matrix).reshape(x.shape)
            return x * (1 - rate * decay) - rate * move
        if kind == "adam":
            gradient = gradient + decay * x
        elif x.ndim > 1:
            x = x * (1 - rate * decay)
        first = momentum * first + (1 - momentum) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        memory[name] = step, first, second
        mean, square = first / (1 - momentum**step), second / (1 - beta2**step)
        return x - rate * mean / (np.sqrt(square) + 1e-8)

    return update


def newton_schulz(matrix: np.ndarray) -> np.ndarray:
    """Five steps of 3.4445 s - 4.775 s^3 + 2.0315 s^5 on the singular values s, norm 1 at first."""
    u, s, v = np.linalg.svd(matrix / (np.linalg.norm(matrix) + 1e-7), full_matrices=False)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return u * s @ v


# -- training --------------------------------------------------------------------------------------

Arrays = dict[str, np.ndarray]


def train(
    start: Arrays,
    images: np.ndarray,
    labels: np.ndarray,
    batches: list[np.ndarray],
    rates: list[float],
    update: Update,
    *,
    smoothing: float = 0.0,
    weights: tuple[float, ...] = (),
    ema: float = 0.0,
) -> tuple[Arrays, Arrays, list[tuple[float, int]]]:
    """Train the assignment's network in float64, without dropout: a batch and a rate a step.

    Returns:
        The weights, their average (the same where `ema` is 0), and each step's loss and hits.
    """
    now = {name: np.asarray(array, np.float64) for name, array in start.items()}
    average, steps = dict(now), []
    of_class = torch.tensor(weights or (1.0,) * 10, dtype=torch.float64)
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
        tensors = {name: torch.tensor(array, requires_grad=True) for name, array in now.items()}
        logits = simple_cnn(tensors, torch.tensor(images[batch]))
        target = torch.from_numpy(np.eye(10)[labels[batch]])
        soft = (1 - smoothing) * target + smoothing / 10
        losses = -(soft * logits.log_softmax(1)) @ of_class
        loss = losses.sum() / (target @ of_class).sum()
        loss.backward()
        hits = int((logits.argmax(1).numpy() == labels[batch]).sum())
        steps.append((float(loss.detach()), hits))
        for name, tensor in tensors.items():
            if name not in ("mean", "std"):
                assert tensor.grad is not None
                now[name] = update(name, now[name], tensor.grad.numpy(), rate)
        kept = min(ema, (1 + step) / (10 + step)) if ema else 0.0
        average = {name: kept * average[name] + (1 - kept) * now[name] for name in now}
    return now, average, steps
