"""What a network sees on its way to an answer: maps, features, and what each adds to a class.

The exported file stays as it is: a second session of the same bytes gives tensors inside of its
graph as outputs too. The graph may be of anybody's network, so nothing about it is taken for
granted: what is shown is computed anew from the graph's own weights. Where the result is not the
network's, it is left out and the reason is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier, session_of
from fashion_cnn.shipping.onnx_cost import fits
from fashion_cnn.shipping.onnx_graph import Node, read_graph, with_outputs

Floats = NDArray[np.float32]

_MOST_STAGES = 8
_ENDS_MAPS = frozenset(
    {"Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "MatMul", "Reshape", "Squeeze"}
    | {"Shape", "Transpose", "ReduceMax", "ReduceMean", "ReduceSum", "Gather", "Einsum"}
)
"""Operators behind which a tensor is no map any longer, or one with its axes in another order."""
_ROUNDING = 1e-3
"""Of the largest value: what a second way to compute may differ by."""

NO_MAPS = "The network has no convolutions whose maps could be shown."
NO_WINDOW = (
    "The first layer cannot be shown at work: it is no plain convolution of one grey picture."
)
NO_CHANNELS = "What each channel adds cannot be told: the network does not end in one linear layer."


@dataclass(frozen=True)
class Window:
    """The first convolution at work on one image.

    Attributes:
        plane: (H, W) what it is given.
        weights: (F, kh, kw), its filters.
        bias: (F,).
        pads: zeros above and to the left.
        strides: down and across.
        then: the operators between it and the first stage's maps.
    """

    plane: Floats
    weights: Floats
    bias: Floats
    pads: tuple[int, int]
    strides: tuple[int, int]
    then: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What a network saw in one image.

    Attributes:
        logits: (C,).
        stages: (channels, height, width) of each stage, the last maps before they get smaller.
        window: the first convolution, or None.
        features: (F,) that the last layer sees, and `weights` (C, F) and `bias` (C,) by which it
            makes logits of them; None all three where it is not one linear layer.
    """

    logits: Floats
    stages: tuple[Floats, ...]
    window: Window | None
    features: Floats | None
    weights: Floats | None
    bias: Floats | None

    @property
    def of_maps(self) -> bool:
        """Whether each feature is the largest or the mean value of a map of the last stage."""
        if self.features is None or not self.stages:
            return False
        last = self.stages[-1]
        return any(
            _alike(pooled, self.features) for pooled in (last.max((1, 2)), last.mean((1, 2)))
        )

    @property
    def notes(self) -> list[str]:
        """What cannot be shown of this network, and why."""
        missing = (not self.stages, self.window is None, self.features is None)
        return [
            note
            for note, is_missing in zip((NO_MAPS, NO_WINDOW, NO_CHANNELS), missing, strict=True)
            if is_missing
        ]


class Inside:
    """An exported model with its inside."""

    def __init__(self, classifier: OnnxClassifier) -> None:
        """Open it once more, for one thread: a picture by itself keeps no second one busy."""
        self.classifier = classifier
        graph = read_graph(classifier.data, "the model")
        nodes = graph.nodes
        self._by_output = {name: node for node in nodes for name in node.outputs}
        convolutions = [node for node in nodes if node.operator == "Conv"]
        self._first = convolutions[0] if convolutions else None
        self._head = self._find_head()
        maps = _candidates(nodes, convolutions)
        wanted = [*maps, *self._names_of_head()]
        if self._first:
            wanted += [*(name for name in self._first.inputs if name), self._first.outputs[0]]
        self._names = [name for name in dict.fromkeys(wanted) if name not in ("logits", "images")]
        graph.outputs += self._names  # what is shown is kept at once
        if not fits(graph):
            self._names, maps, self._first, self._head = [], [], None, None
        self._session = session_of(with_outputs(classifier.data, self._names), 1)
        found = self._run(np.zeros((28, 28), np.uint8))
        self._stages = _stages([(name, found[name]) for name in maps if name in found])

    def see(self, image: NDArray[np.uint8]) -> Seen:
        """Look at one image, (28, 28) uint8. Raises `UsageError`: it is something else."""
        check_images(image[None])
        found = self._run(image)
        features, weights, bias = self._channels(found)
        return Seen(
            found["logits"][0],
            tuple(found[name][0] for name in self._stages),
            self._window(found),
            features,
            weights,
            bias,
        )

    def _run(self, image: NDArray[np.uint8]) -> dict[str, Floats]:
        names = ["logits", *self._names]
        arrays = self._session.run(names, {"images": image[None]})
        return {name: np.asarray(one) for name, one in zip(names, arrays, strict=True)}

    def _find_head(self) -> tuple[Node, list[tuple[str, str]]] | None:
        """The last linear layer, and what is multiplied or added behind it, in order."""
        behind: list[tuple[str, str]] = []
        node = self._by_output.get("logits")
        while node and node.operator in ("Mul", "Div", "Add", "Sub", "Identity"):
            inner = [name for name in node.inputs if name in self._by_output]
            if len(inner) != 1 or (node.operator in ("Div", "Sub") and inner[0] != node.inputs[0]):
                return None
            others = [name for name in node.inputs if name != inner[0]]
            behind += [(node.operator, name) for name in others]
            node = self._by_output[inner[0]]
        if node is None or node.operator not in ("Gemm", "MatMul"):
            return None
        return node, behind[::-1]

    def _names_of_head(self) -> list[str]:
        if self._head is None:
            return []
        node, behind = self._head
        return [*(name for name in node.inputs if name), *(name for _, name in behind)]

    def _channels(self, found: dict[str, Floats]) -> tuple[Floats | None, ...]:
        """Features, weights (C, F) and bias (C,); three None where they do not make the logits."""
        nothing = (None, None, None)
        if self._head is None:
            return nothing
        node, behind = self._head
        features, matrix, *biases = (found[name] for name in node.inputs if name)
        logits = found["logits"][0]
        if features.ndim != 2 or matrix.ndim != 2:
            return nothing
        for weights in (matrix, matrix.T):
            if weights.shape != (len(logits), features.shape[1]):
                continue
            scale, bias = np.ones(1, np.float32), np.zeros(len(logits), np.float32)
            bias = bias + (biases[0].reshape(-1) if biases else 0)
            for operator, name in behind:
                value = found[name].reshape(-1)
                if operator in ("Mul", "Div"):
                    factor = value if operator == "Mul" else 1 / value
                    scale, bias = scale * factor, bias * factor
                else:
                    bias = bias + (value if operator == "Add" else -value)
            whole = weights * scale[:, None]
            if _alike(whole @ features[0] + bias, logits):
                return features[0], whole, bias
        return nothing

    def _window(self, found: dict[str, Floats]) -> Window | None:
        first = self._first
        if first is None or not self._stages:
            return None
        plane, weights, *biases = (found[name] for name in first.inputs if name and name in found)
        if plane.ndim != 4 or plane.shape[1] != 1 or weights.ndim != 4 or weights.shape[1] != 1:
            return None
        top, left, *_ = first.attributes.get("pads", (0, 0, 0, 0))
        down, across, *_ = first.attributes.get("strides", (1, 1))
        bias = biases[0] if biases else np.zeros(len(weights), np.float32)
        then, name = [], self._stages[0]
        while name != first.outputs[0] and name in self._by_output:
            then.append(self._by_output[name].operator)
            name = self._by_output[name].inputs[0]
        window = Window(
            plane[0, 0], weights[:, 0], bias, (top, left), (down, across), tuple(reversed(then))
        )
        (given,) = found[first.outputs[0]]
        return window if _alike(convolve(window, given.shape[1:]), given) else None


def convolve(window: Window, shape: Sequence[int]) -> Floats:
    """What a first convolution gives, (F, *shape), one window after the other."""
    height, width = window.weights.shape[1:]
    (top, left), (down, across) = window.pads, window.strides
    reach = ((shape[0] - 1) * down + height, (shape[1] - 1) * across + width)
    rows, columns = window.plane.shape
    padded = np.zeros((max(reach[0], top + rows), max(reach[1], left + columns)), np.float32)
    padded[top : top + rows, left : left + columns] = window.plane
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width))
    chosen = views[::down, ::across][: shape[0], : shape[1]]
    return np.einsum("yxij,fij->fyx", chosen, window.weights) + window.bias[:, None, None]


def _alike(one: Floats, other: Floats) -> bool:
    if one.shape != other.shape:
        return False
    return bool(np.abs(one - other).max(initial=0) <= _ROUNDING * max(1, np.abs(other).max()))


def _candidates(nodes: Sequence[Node], convolutions: Sequence[Node]) -> list[str]:
    """Names of tensors that may be a stage's maps: what convolutions are given, and the last."""
    if not convolutions:
        return []
    maps = set()
    last = []
    for node in nodes:
        if node.operator == "Conv" or (
            node.operator not in _ENDS_MAPS and any(name in maps for name in node.inputs)
        ):
            maps.add(node.outputs[0])
            last = [] if node.operator == "Conv" else [*last, node.outputs[0]]
    given = [node.inputs[0] for node in convolutions[1:] if node.inputs[0] in maps]
    return list(dict.fromkeys([*given, *(last or [convolutions[-1].outputs[0]])]))


def _stages(found: Sequence[tuple[str, Floats]]) -> list[str]:
    """Of maps in order the last of each size."""
    chosen: dict[tuple[int, ...], str] = {}
    for name, array in found:
        if array.ndim == 4 and array.shape[2] * array.shape[3] > 1 and array.dtype == np.float32:
            chosen[array.shape[2:]] = name
    return [*chosen.values()][-_MOST_STAGES:]
