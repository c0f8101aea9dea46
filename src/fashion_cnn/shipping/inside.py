"""What a network sees on its way to an answer: maps, features, and what each adds to a class.

The exported file stays as it is: a second session of the same bytes gives tensors inside of its
graph as outputs too. The graph may be of anybody's network, so nothing about it is taken for
granted: what is shown is computed anew from the graph's own weights. Where the result is not the
network's, it is left out and the reason is given.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier, session_of
from fashion_cnn.shipping.onnx_cost import cost
from fashion_cnn.shipping.onnx_graph import Array, Graph, Node, read_graph, with_outputs
from fashion_cnn.shipping.onnx_rules import outputs_of

Floats = NDArray[np.float32]
_Arrays = Mapping[str, Array]

_MOST_STAGES = 8
_UINT8 = 2  # ONNX's number
_FLOAT_BYTES = 4
_MOST_VALUES = 10**6
"""Of a stage, and of each thing that the first convolution is shown by: an answer has them all."""
_MOST_PRODUCTS = 10**8  # of the first convolution, which numpy computes anew
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
TOO_LARGE = f"Maps of more than {_MOST_VALUES:,} values are not shown."
NOT_FINITE = "Maps that are not of finite floating-point numbers are not shown."
SEVERAL = "This model is several networks, or looks at each image twice: none is looked into."
NOT_RUN = "The network cannot be looked into: the runtime does not give what is inside of it."


@dataclass(frozen=True)
class Window:
    """The first convolution at work on one image.

    Attributes:
        plane: (H, W) what it is given.
        weights: (F, kh, kw), its filters.
        bias: (F,).
        pads: zeros on each side, down and across.
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
        hindrances: what else cannot be shown, and why.
    """

    logits: Floats
    stages: tuple[Floats, ...]
    window: Window | None
    features: Floats | None
    weights: Floats | None
    bias: Floats | None
    hindrances: tuple[str, ...] = ()

    @property
    def of_maps(self) -> bool:
        """Whether each feature is the largest or the mean value of a map of the last stage."""
        if self.features is None or not self.stages:
            return False
        last = self.stages[-1].astype(np.float64)  # in which no sum overflows
        return any(
            _alike(pooled, self.features) for pooled in (last.max((1, 2)), last.mean((1, 2)))
        )

    @property
    def notes(self) -> list[str]:
        """What cannot be shown of this network, and why."""
        if SEVERAL in self.hindrances:
            return [SEVERAL]
        missing = (not self.stages, self.window is None, self.features is None)
        notes = zip((NO_MAPS, NO_WINDOW, NO_CHANNELS), missing, strict=True)
        return [*(note for note, is_missing in notes if is_missing), *self.hindrances]


class Inside:
    """An exported model with its inside."""

    def __init__(self, classifier: OnnxClassifier) -> None:
        """Open it once more, for one thread: a picture by itself keeps no second one busy."""
        self.classifier = classifier
        graph = read_graph(classifier.data, "the model")
        self._by_output = {name: node for node in graph.nodes for name in node.outputs}
        self._hindrances: tuple[str, ...] = ()
        self._choose(graph)
        graph.outputs += self._names  # what is shown is kept at once
        if "members" in classifier.facts["recipe"]:
            self._show_nothing(SEVERAL)
        elif not cost(graph, 1).fits:
            self._show_nothing()
        try:
            self._session = session_of(with_outputs(classifier.data, self._names), 1)
        except Exception:  # the runtime has an exception class a fault
            self._show_nothing(NOT_RUN)

    def see(self, image: NDArray[np.uint8]) -> Seen:
        """Look at one image, (28, 28) uint8.

        Raises:
            UsageError: it is something else.
            ModelError: the model has no usable answer for it.
        """
        check_images(image[None])
        logits = self.classifier.logits(image[None])[0]
        try:
            found = self._run(image)
        except Exception:  # the runtime has an exception class a fault
            return Seen(logits, (), None, None, None, None, (NOT_RUN,))
        stages = [name for name in self._stages if _finite(found[name])]
        hindrances = self._hindrances + (NOT_FINITE,) * (len(stages) < len(self._stages))
        with np.errstate(all="ignore"):  # what is not finite is not alike
            window = self._window(found, stages)
            features, weights, bias = self._channels(found, logits)
        maps = tuple(found[name][0] for name in stages)
        return Seen(logits, maps, window, features, weights, bias, hindrances)

    def _choose(self, graph: Graph) -> None:
        """Which tensors are shown: told from their shapes, before any is computed."""
        arrays = _arrays(graph)
        convolutions = [node for node in graph.nodes if node.operator == "Conv"]
        self._stages, any_too_large = _stages(_candidates(graph.nodes, convolutions), arrays)
        self._hindrances = (TOO_LARGE,) * any_too_large
        self._first = convolutions[0] if convolutions else None
        if self._first and not _is_plain(self._first, arrays):
            self._first = None
        self._behind_first = _behind(self._first, graph.nodes)
        self._head = self._find_head()
        wanted = [*self._stages, *self._names_of_head()]
        if self._first:
            wanted += [*(name for name in self._first.inputs if name), self._first.outputs[0]]
        self._names = [name for name in dict.fromkeys(wanted) if name not in ("logits", "images")]

    def _show_nothing(self, *why: str) -> None:
        self._names, self._stages, self._first, self._head = [], [], None, None
        self._hindrances = why

    def _run(self, image: NDArray[np.uint8]) -> dict[str, Floats]:
        if not self._names:  # for which the runtime would give all that it can
            return {}
        arrays = self._session.run(self._names, {"images": image[None]})
        return {name: np.asarray(one) for name, one in zip(self._names, arrays, strict=True)}

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

    def _channels(self, found: Mapping[str, Floats], logits: Floats) -> tuple[Floats | None, ...]:
        """Features, weights (C, F) and bias (C,); three None where they do not make the logits."""
        nothing = (None, None, None)
        if self._head is None:
            return nothing
        node, behind = self._head
        features, matrix, *biases = (found[name] for name in node.inputs if name)
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
            alike = _alike(whole @ features[0] + bias, logits)
            if alike and _finite(features, whole, bias):
                return features[0], whole, bias
        return nothing

    def _window(self, found: Mapping[str, Floats], stages: Sequence[str]) -> Window | None:
        first = self._first
        if first is None or not stages or stages[0] not in self._behind_first:
            return None
        plane, weights, *biases = (found[name] for name in first.inputs if name)
        bias = biases[0] if biases else np.zeros(len(weights), np.float32)
        (given,) = found[first.outputs[0]]
        then, name = [], stages[0]
        while name != first.outputs[0]:
            node = self._by_output[name]
            then.append(node.operator)
            name = next(one for one in node.inputs if one in self._behind_first)
        shape, behind = _pads_and_strides(first), tuple(reversed(then))
        window = Window(plane[0, 0], weights[:, 0], bias, *shape, behind)
        return window if _finite(plane, weights, bias) and _alike(convolve(window), given) else None


def convolve(window: Window) -> Floats:
    """What a first convolution gives, (F, height, width), one window after the other."""
    (rows, columns), (down, across) = window.pads, window.strides
    padded = np.pad(window.plane, [(rows, rows), (columns, columns)])
    views = np.lib.stride_tricks.sliding_window_view(padded, window.weights.shape[1:])
    sums = np.einsum("yxij,fij->fyx", views[::down, ::across], window.weights)
    return sums + window.bias[:, None, None]


def _alike(one: NDArray[np.floating[Any]], other: Floats) -> bool:
    if one.shape != other.shape:
        return False
    most = max(1, np.abs(other).max(initial=0))
    return bool(np.abs(one - other).max(initial=0) <= _ROUNDING * most)


def _finite(*arrays: Floats) -> bool:
    return all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)


def _arrays(graph: Graph) -> _Arrays:
    """All tensors for one image, but for most numbers; of a graph whose cost could be told."""
    known = {graph.inputs[0]: Array((1, 28, 28), _UINT8), **graph.constants}
    for node in graph.nodes:
        given = [known[name] if name else None for name in node.inputs]
        known |= zip(node.outputs, outputs_of(node, given), strict=False)
    return known


def _behind(first: Node | None, nodes: Iterable[Node]) -> frozenset[str]:
    """The outputs of an operator and of those that are given something of it, nodes in order."""
    behind: set[str] = set()
    for node in nodes:
        if node is first or not behind.isdisjoint(node.inputs):
            behind |= {*node.outputs} - {""}  # which stands for what is left out
    return frozenset(behind)


def _pads_and_strides(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros above and to the left; steps down and across."""
    top, left, *_ = node.attributes.get("pads") or (0, 0)
    down, across, *_ = node.attributes.get("strides") or (1, 1)
    return (top, left), (down, across)


def _is_plain(node: Node, arrays: _Arrays) -> bool:
    """Whether a convolution is one of the picture's own pixels, padded alike on both sides.

    A page has room for that alone, and for no large one.
    """
    plane, weights = (arrays[name].shape for name in node.inputs[:2])
    if plane != (1, 1, 28, 28):
        return False
    given, (pads, strides) = arrays[node.outputs[0]].shape, _pads_and_strides(node)
    padded = [side + 2 * pad for side, pad in zip(plane[2:], pads, strict=True)]
    sizes = zip(padded, weights[2:], strides, strict=True)
    return (
        min(pads) >= 0
        and given[2:] == tuple((side - size) // step + 1 for side, size, step in sizes)
        and all(math.prod(sides) <= _MOST_VALUES for sides in (weights, given, padded))
        and math.prod(given) * math.prod(weights[2:]) <= _MOST_PRODUCTS
    )


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


def _stages(candidates: Sequence[str], arrays: _Arrays) -> tuple[list[str], bool]:
    """Of maps in order the last of each size, and whether any is left out as too large."""
    chosen: dict[tuple[int, ...], str] = {}
    for name in candidates:
        array = arrays[name]
        one_picture = len(array.shape) == 4 and array.shape[0] == 1 and array.size > 0
        if one_picture and array.shape[2] * array.shape[3] > 1 and array.width == _FLOAT_BYTES:
            chosen[array.shape[2:]] = name
    shown = [name for name in chosen.values() if arrays[name].size <= _MOST_VALUES]
    return shown[-_MOST_STAGES:], len(shown) < len(chosen)
