"""What each operator of ONNX makes of the shapes that it is given, and what that costs.

Source: onnx/docs/Operators.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.shipping.onnx_graph import (
    BLOCK,
    MOST_SIDES,
    MOST_VALUES,
    Array,
    Node,
    check_count,
    kind_of,
)
from fashion_cnn.shipping.protobuf import RefusedError

Shape = tuple[int, ...]
Given = Sequence[Array | None]
_Values = Sequence[NDArray[Any]]
_FLOAT, _UINT8, _INT64, _BOOL = 1, 2, 7, 9  # ONNX's numbers
_GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
_DIRECTIONS = ("forward", "reverse", "bidirectional")
_FOLDED = (6, _INT64, _BOOL)
"""Types to compute with as the runtime does, to the last digit: floats are rounded by ways that
differ, and a digit may be made to decide on a size."""
_FLOATS_FOLDED = ("Cast", "Ceil", "Concat", "Div", "Floor", "Gather", "Mul", "Unsqueeze")


class _Inputs:
    """What an operator is given, by place; one that is missing is an error of the caller's."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self.arrays = [one for one in given if one is not None]

    def has(self, place: int) -> bool:
        return place < len(self._given) and self._given[place] is not None

    def array(self, place: int) -> Array:
        found = self._given[place]
        if found is None:
            raise ValueError("an input is missing")
        return found

    def shape(self, place: int = 0) -> Shape:
        return self.array(place).shape

    def numbers(self, place: int) -> NDArray[Any]:
        value = self.array(place).value
        if value is None:
            raise ValueError("an input is not known before the model runs")
        return value

    def whole(self, place: int) -> list[int]:
        return [int(number) for number in self.numbers(place).ravel()]


# -- shapes ----------------------------------------------------------------------------------------


def _must_fit(what: bool) -> None:
    if not what:
        raise ValueError("shapes that do not fit")


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError("an axis that is not there")
    return axis % rank


def _flag(node: Node, name: str, default: int = 0) -> bool:
    """Of other numbers some of the runtime's operators make yes, and others no."""
    found = node.attributes.get(name, default)
    if found not in (0, 1):
        raise ValueError("neither yes nor no")
    return found == 1


def _axes(node: Node, given: _Inputs, place: int, rank: int) -> list[int] | None:
    """From the attribute, as reductions of opset 17 have them, or an input; None for neither."""
    found = node.attributes.get("axes")
    if found is None and given.has(place):
        found = given.whole(place)
    if found is None:
        return None
    axes = [_axis(axis, rank) for axis in found]
    _must_fit(len({*axes}) == len(axes))
    return axes


def _positive(sides: Sequence[int]) -> Shape:
    if min(sides, default=0) < 0:
        raise ValueError("a side below zero")
    return tuple(sides)


def _layer_normalisation(node: Node, given: _Inputs) -> list[Shape]:
    shape = given.shape()
    axis = _axis(node.attributes.get("axis", -1), len(shape))
    return [shape, *[shape[:axis] + (1,) * (len(shape) - axis)] * 2]


def _recurrent(node: Node, given: _Inputs) -> list[Shape]:
    """All states over the steps, the last, and of an LSTM the last cells."""
    (steps, images, features), hidden = given.shape(), node.attributes["hidden_size"]
    directions = 2 if node.attributes.get("direction") == "bidirectional" else 1
    gates = _GATES[node.operator] * hidden
    _must_fit(node.attributes.get("direction", "forward") in _DIRECTIONS)
    _must_fit(given.shape(1) == (directions, gates, features))
    _must_fit(given.shape(2) == (directions, gates, hidden))
    state = (directions, images, hidden)
    _must_fit(all(given.shape(place) == state for place in (5, 6) if given.has(place)))
    _must_fit(not given.has(3) or given.shape(3) == (directions, 2 * gates))
    # Lengths, weights from the cells, another layout, other functions: no exporter asks for them.
    _must_fit(not (given.has(4) or given.has(7)))
    known = {"direction", "hidden_size", "input_forget", "layout", "linear_before_reset"}
    _must_fit({*node.attributes} <= known and not _flag(node, "layout"))
    found = [(steps, directions, images, hidden), state, state]
    return found if node.operator == "LSTM" else found[:2]


def _concat(node: Node, given: _Inputs) -> Shape:
    shapes = [one.shape for one in given.arrays]
    axis = _axis(node.attributes["axis"], len(shapes[0]))
    _must_fit(len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) == 1)
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _flatten(node: Node, given: _Inputs) -> Shape:
    shape, axis = given.shape(), node.attributes.get("axis", 1)
    axis = axis if axis == len(shape) else _axis(axis, len(shape))
    return (math.prod(shape[:axis]), math.prod(shape[axis:]))


def _gather(node: Node, given: _Inputs) -> Shape:
    shape = given.shape()
    axis = _axis(node.attributes.get("axis", 0), len(shape))
    return shape[:axis] + given.shape(1) + shape[axis + 1 :]


def _gather_nd(node: Node, given: _Inputs) -> Shape:
    shape, places = given.shape(), given.shape(1)
    images, axes = node.attributes.get("batch_dims", 0), places[-1]
    _must_fit(0 <= images < len(places) and shape[:images] == places[:images])
    _must_fit(1 <= axes <= len(shape) - images)
    return places[:-1] + shape[images + axes :]


def _sampled(node: Node, given: _Inputs) -> Shape:
    shape, grid = given.shape(), given.shape(1)
    _must_fit(len(shape) == len(grid) == 4 and grid[0] == shape[0] and grid[3] == 2)
    return (*shape[:2], *grid[1:3])


def _reshape(node: Node, given: _Inputs) -> Shape:
    shape, wanted = given.shape(), given.whole(1)
    if not _flag(node, "allowzero"):
        wanted = [shape[at] if side == 0 else side for at, side in enumerate(wanted)]
    rest = math.prod(side for side in wanted if side != -1)
    if wanted.count(-1) == 1:
        wanted = [math.prod(shape) // rest if side == -1 else side for side in wanted]
    _must_fit(math.prod(_positive(wanted)) == math.prod(shape))
    return tuple(wanted)


def _part_of_shape(node: Node, given: _Inputs) -> Shape:
    return given.shape()[slice(node.attributes.get("start", 0), node.attributes.get("end"))]


def _cuts(node: Node, given: _Inputs) -> dict[int, range]:
    """The places that a Slice takes, by axis; -1 is the last, and what is too far is cut."""
    shape, cuts = given.shape(), {}
    starts, ends = given.whole(1), given.whole(2)
    axes = _axes(node, given, 3, len(shape)) or list(range(len(starts)))
    steps = given.whole(4) if given.has(4) else [1] * len(starts)
    for axis, first, last, step in zip(axes, starts, ends, steps, strict=True):
        side = shape[axis]
        start, end = (at + side if at < 0 else at for at in (first, last))
        if step > 0:
            start, end = min(max(start, 0), side), min(max(end, 0), side)
        else:
            _must_fit(end < side)  # the runtime takes the largest number for the first place
            start, end = min(max(start, 0), side - 1), max(end, -1)
        cuts[axis] = range(start, end, step)
    return cuts


def _slice(node: Node, given: _Inputs) -> Shape:
    cuts = _cuts(node, given)
    return tuple(len(cuts.get(axis, range(side))) for axis, side in enumerate(given.shape()))


def _split(node: Node, given: _Inputs) -> list[Shape]:
    shape = given.shape()
    axis = _axis(node.attributes.get("axis", 0), len(shape))
    if given.has(1):
        parts = given.whole(1)
    else:
        count = node.attributes.get("num_outputs", len(node.outputs))
        _must_fit(count == len(node.outputs))  # before there is a list of so many
        each = -(-shape[axis] // count)
        parts = [min(each, max(0, shape[axis] - at * each)) for at in range(count)]
    _must_fit(sum(_positive(parts)) == shape[axis] and len(parts) == len(node.outputs))
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def _squeeze(node: Node, given: _Inputs) -> Shape:
    shape = given.shape()
    axes = _axes(node, given, 1, len(shape))
    if axes is None:
        axes = [at for at, side in enumerate(shape) if side == 1]
    _must_fit(all(shape[axis] == 1 for axis in axes))
    return tuple(side for at, side in enumerate(shape) if at not in axes)


def _unsqueeze(node: Node, given: _Inputs) -> Shape:
    shape = list(given.shape())
    found = given.whole(1)
    rank = len(shape) + len(found)
    for axis in sorted(_axis(axis, rank) for axis in found):
        shape.insert(axis, 1)
    return tuple(shape)


def _tile(node: Node, given: _Inputs) -> Shape:
    repeats = _positive(given.whole(1))
    return tuple(side * times for side, times in zip(given.shape(), repeats, strict=True))


def _transpose(node: Node, given: _Inputs) -> Shape:
    shape = given.shape()
    order = node.attributes.get("perm") or list(range(len(shape)))[::-1]
    _must_fit(sorted(order) == list(range(len(shape))))
    return tuple(shape[axis] for axis in order)


def _broadcast(node: Node, given: _Inputs) -> Shape:
    kind = kind_of(given.array(0).kind)
    if node.operator == "Div" and kind is not None and kind.kind in "iu":
        # The processor ends the process at these. Nor has the least number a positive one.
        _must_fit(not np.isin(given.numbers(1), (0, -1)).any())
    return np.broadcast_shapes(*(one.shape for one in given.arrays))


def _range(node: Node, given: _Inputs) -> Shape:
    numbers = [given.numbers(place) for place in range(3)]
    # In longer ones the runtime's own arithmetic is not exact.
    _must_fit(all(abs(one.item()) < 2**31 for one in numbers))
    start, limit, step = (one.ravel()[0] for one in numbers)
    return (max(0, math.ceil(float(limit - start) / float(step))),)


def _pad(node: Node, given: _Inputs) -> Shape:
    shape = list(given.shape())
    pads = given.whole(1)
    axes = _axes(node, given, 3, len(shape)) or list(range(len(shape)))
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        shape[axis] += before + after
    return _positive(shape)


def _resize(node: Node, given: _Inputs) -> Shape:
    shape = list(given.shape())
    attributes = node.attributes
    if attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch" or _flag(
        node, "antialias"
    ):
        raise ValueError("another way to resize")
    axes = [_axis(axis, len(shape)) for axis in node.attributes.get("axes", range(len(shape)))]
    if given.has(3):
        sides = given.whole(3)
    else:
        scales = given.numbers(2).ravel().astype(np.float32)
        sides = [
            int(np.float32(shape[axis]) * scale) for axis, scale in zip(axes, scales, strict=True)
        ]
    for axis, side in zip(axes, sides, strict=True):
        shape[axis] = side
    return _positive(shape)


def _depth_to_space(node: Node, given: _Inputs) -> Shape:
    (n, c, h, w), block = given.shape(), node.attributes["blocksize"]
    return (n, c // block**2, h * block, w * block)


def _space_to_depth(node: Node, given: _Inputs) -> Shape:
    (n, c, h, w), block = given.shape(), node.attributes["blocksize"]
    return (n, c * block**2, h // block, w // block)


def _reduced_axes(node: Node, given: _Inputs) -> list[int]:
    """Where none is named these are all, or none."""
    rank = len(given.shape())
    axes = _axes(node, given, 1, rank)
    if axes or _flag(node, "noop_with_empty_axes"):
        return axes or []
    return list(range(rank))


def _reduced(node: Node, given: _Inputs) -> Shape:
    shape, axes = given.shape(), _reduced_axes(node, given)
    if _flag(node, "keepdims", 1):
        return tuple(1 if at in axes else side for at, side in enumerate(shape))
    return tuple(side for at, side in enumerate(shape) if at not in axes)


# -- windows and products --------------------------------------------------------------------------


def _of_window(node: Node, rank: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Strides, dilations and pads of a window of so many axes."""
    of = node.attributes
    ones = [1] * rank
    return of.get("strides") or ones, of.get("dilations") or ones, of.get("pads") or [0] * 2 * rank


def _windows(node: Node, sides: Shape, kernel: Sequence[int]) -> Shape:
    """The sides of what a window that slides over the sides gives."""
    rank, found = len(sides), []
    # The runtime moves windows of more axes slowly, and keeps all that they see. Pictures have two.
    if len(kernel) != rank or not 1 <= rank <= 2:
        raise ValueError("a window of other axes")
    strides, dilations, pads = _of_window(node, rank)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if min(*strides, *dilations, *kernel) < 1:
        raise ValueError("a window that does not move")
    # The runtime's pools then have fewer windows than its convolutions.
    _must_fit(node.operator == "Conv" or max(dilations) == 1 or automatic == "NOTSET")
    for at, side in enumerate(sides):
        reach = dilations[at] * (kernel[at] - 1) + 1
        if automatic.startswith("SAME"):
            found.append(-(-side // strides[at]))
            continue
        room = side - reach + (0 if automatic == "VALID" else pads[at] + pads[at + rank])
        steps = room // strides[at]
        if _flag(node, "ceil_mode") and room % strides[at]:
            # A window that would begin behind the picture counts in some versions.
            steps += 1
            _must_fit(0 <= room < 2**24 and steps * strides[at] < side + pads[at])
        found.append(steps + 1)
    return _positive(found)


def _convolution(node: Node, given: _Inputs) -> Shape:
    shape, filters = given.shape(), given.shape(1)
    groups = node.attributes.get("group", 1)
    _must_fit(groups > 0 and shape[1] == filters[1] * groups and filters[0] % groups == 0)
    return (shape[0], filters[0], *_windows(node, shape[2:], filters[2:]))


def _pooled(node: Node, given: _Inputs) -> list[Shape]:
    shape = given.shape()
    found = (*shape[:2], *_windows(node, shape[2:], node.attributes["kernel_shape"]))
    return [found] * max(1, len(node.outputs))


def _product(node: Node, given: _Inputs) -> Shape:
    left, right = given.shape(), given.shape(1)
    rows, columns = left if len(left) > 1 else (1, *left), right if len(right) > 1 else (*right, 1)
    _must_fit(rows[-1] == columns[-2])
    found = np.broadcast_shapes(rows[:-2], columns[:-2])
    found += rows[-2:-1] if len(left) > 1 else ()
    return found + (columns[-1:] if len(right) > 1 else ())


def _general_product(node: Node, given: _Inputs) -> Shape:
    left, right = given.shape(), given.shape(1)
    left = left[::-1] if _flag(node, "transA") else left
    right = right[::-1] if _flag(node, "transB") else right
    _must_fit(len(left) == len(right) == 2 and left[1] == right[0])
    return (left[0], right[1])


def _letters(node: Node, given: _Inputs) -> tuple[dict[str, int], str]:
    """The sides by their letters in an equation, and the result's letters."""
    terms, arrow, result = node.attributes["equation"].replace(" ", "").partition("->")
    sides: dict[str, int] = {}
    _must_fit(len(given.arrays) <= 2)  # of more, it keeps products of its own choice
    for term, array in zip(terms.split(","), given.arrays, strict=True):
        for letter, side in zip(term, array.shape, strict=True):
            _must_fit(letter.isalpha() and sides.setdefault(letter, side) in (side, 1))
            sides[letter] = max(sides[letter], side)
    if not arrow:
        result = "".join(sorted(one for one in sides if terms.count(one) == 1))
    return sides, result


def _einsum(node: Node, given: _Inputs) -> Shape:
    sides, result = _letters(node, given)
    return tuple(sides[letter] for letter in result)


_ALIKE = (
    "Abs", "BatchNormalization", "Cast", "Ceil", "Clip", "Cos", "DequantizeLinear", "Elu", "Erf",
    "Exp", "Floor", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LeakyRelu",
    "Log", "LogSoftmax", "Mish", "Neg", "Not", "QuantizeLinear", "Reciprocal", "Relu", "Round",
    "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh",
)  # fmt: skip
_COMPARISONS = ("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or")
_TOGETHER = (
    *_COMPARISONS, "Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum", "Where",
)  # fmt: skip
_REDUCTIONS = ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
_GLOBAL, _POOLS = ("GlobalAveragePool", "GlobalMaxPool"), ("AveragePool", "MaxPool")
RULES: Mapping[str, Callable[[Node, _Inputs], Shape | list[Shape]]] = {
    **dict.fromkeys(_ALIKE, lambda node, given: given.shape()),
    **dict.fromkeys(_TOGETHER, _broadcast),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(
        _GLOBAL, lambda node, given: given.shape()[:2] + (1,) * (len(given.shape()) - 2)
    ),
    **dict.fromkeys(_POOLS, _pooled),
    **dict.fromkeys(_GATES, _recurrent),
    "Concat": _concat,
    "ConstantOfShape": lambda node, given: _positive(given.whole(0)),
    "Conv": _convolution,
    "DepthToSpace": _depth_to_space,
    "Einsum": _einsum,
    "Expand": lambda node, given: np.broadcast_shapes(given.shape(), _positive(given.whole(1))),
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Gemm": _general_product,
    "GridSample": _sampled,
    "LayerNormalization": _layer_normalisation,
    "MatMul": _product,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda node, given: (len(_part_of_shape(node, given)),),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""By operator: the shape of its output, or of each of several. These and `Constant` are what the
frameworks' exporters write of networks for images; none branches, loops or opens a file."""


def outputs_of(node: Node, given: Given) -> list[Array]:
    """What an operator gives, with its numbers where they are few and can be known.

    Raises:
        RefusedError: it is none of those that are let through.
        KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError: it cannot be
            told.
    """
    if node.operator == "Constant":
        return [_constant(node)]
    if node.operator not in RULES:
        raise RefusedError(f"holds an operator {node.operator!r:.66}, which no model here has")
    inputs = _Inputs(given)
    constant = all(one.constant for one in inputs.arrays)
    kind, shapes = _kind(node, inputs), RULES[node.operator](node, inputs)
    shapes = shapes[: max(1, len(node.outputs))] if isinstance(shapes, list) else [shapes]
    _must_fit(len(node.outputs) <= len(shapes))
    # Sides of 1 take no memory, and a Gather may double them: no other limit would stop it.
    for shape in shapes:
        check_count(shape, MOST_SIDES, "sides of a tensor")
    found = [Array(shape, kind, constant=constant) for shape in shapes]
    # Of nothing, kernels divide by zero; only lists of axes may be empty.
    _must_fit(all(one.size or (one.kind == _INT64 and len(one.shape) == 1) for one in found))
    if node.operator == "MaxPool" and len(found) > 1:
        found[1] = Array(found[1].shape, _INT64, constant=constant)
    first = found[0]
    if len(found) == 1 and first.size <= MOST_VALUES:
        value = _folded(node, inputs)
        if value is not None and (value.shape, value.dtype) == (first.shape, kind_of(kind)):
            found = [Array(first.shape, kind, value, constant)]
    return found


def _constant(node: Node) -> Array:
    ((name, value),) = node.attributes.items()
    if name == "value" and isinstance(value, Array):
        return value
    if name not in ("value_float", "value_floats", "value_int", "value_ints") or value is None:
        raise ValueError("a constant of another kind")
    kind = _INT64 if name.startswith("value_int") else _FLOAT
    found = np.array(value, kind_of(kind))
    return Array(found.shape, kind, found, constant=True)


def _kind(node: Node, given: _Inputs) -> int:
    """The type of the result; the runtime loads no file where those of the inputs do not fit."""
    operator = node.operator
    if operator == "Cast":
        return node.attributes["to"]
    if operator == "Shape":
        return _INT64
    if operator in ("Not", *_COMPARISONS):
        return _BOOL
    if operator == "QuantizeLinear":
        return given.array(2).kind if given.has(2) else _UINT8
    if operator == "DequantizeLinear":
        return _FLOAT
    if operator == "ConstantOfShape":
        value = node.attributes.get("value")
        return value.kind if value else _FLOAT
    return given.array(1 if operator == "Where" else 0).kind


# -- numbers ---------------------------------------------------------------------------------------


def _moved(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    """The same numbers in another shape."""
    shape = RULES[node.operator](node, given)
    assert isinstance(shape, tuple)
    same = values[0].size == math.prod(shape)
    return values[0].reshape(shape) if same else np.broadcast_to(values[0], shape)


def _cast(node: Node, given: _Inputs, values: _Values) -> NDArray[Any] | None:
    kind, found = kind_of(node.attributes["to"]), values[0]
    if kind is None:
        return None
    if kind.kind in "iu":
        # What a number becomes that the type has no room for differs.
        least, most = np.iinfo(kind).min, np.iinfo(kind).max
        if not all(least <= one <= most for one in found.ravel().tolist()):
            return None
    return found.astype(kind)


def _constant_of_shape(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    value = node.attributes.get("value")
    return np.full(given.whole(0), np.float32(0) if value is None else value.value.ravel()[0])


def _divided(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    first, second = values
    if first.dtype.kind == "f":
        return first / second
    down = first // second
    return down + ((first != down * second) & ((first < 0) != (second < 0)))  # towards zero


def _sliced(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    found = values[0]
    for axis, places in _cuts(node, given).items():
        found = np.take(found, places, axis)
    return found


def _reduced_numbers(node: Node, given: _Inputs, values: _Values) -> NDArray[Any] | None:
    axes = tuple(_reduced_axes(node, given))
    reduce = {"Max": np.max, "Min": np.min, "Prod": np.prod, "Sum": np.sum}
    keep = _flag(node, "keepdims", 1)
    # As objects, which have no largest number; the runtime computes large ones in its own way.
    found = reduce[node.operator.removeprefix("Reduce")](
        values[0].astype(object), axis=axes, keepdims=keep
    )
    large = any(abs(one) >= 2**31 for one in (*values[0].ravel(), *np.ravel(found)))
    return None if large else np.asarray(found).astype(values[0].dtype)


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "Abs": np.abs, "Add": np.add, "And": np.logical_and, "Ceil": np.ceil, "Equal": np.equal,
    "Floor": np.floor, "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "Identity": np.array, "Less": np.less, "LessOrEqual": np.less_equal, "Max": np.maximum,
    "Min": np.minimum, "Mul": np.multiply, "Neg": np.negative, "Not": np.logical_not,
    "Or": np.logical_or, "Sub": np.subtract, "Where": np.where,
}  # fmt: skip
_NUMBERS: Mapping[str, Callable[[Node, _Inputs, _Values], Any]] = {
    **dict.fromkeys(("Expand", "Flatten", "Reshape", "Squeeze", "Unsqueeze"), _moved),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"), _reduced_numbers),
    "Cast": _cast,
    "Concat": lambda node, given, values: np.concatenate(values, node.attributes["axis"]),
    "ConstantOfShape": _constant_of_shape,
    "Div": _divided,
    "Gather": lambda node, given, values: np.take(
        values[0], values[1], node.attributes.get("axis", 0)
    ),
    "Range": lambda node, given, values: np.arange(
        *(one.item() for one in values), dtype=values[0].dtype
    ),
    "Slice": _sliced,
}


def _folded(node: Node, given: _Inputs) -> NDArray[Any] | None:
    """The numbers of a small result, where those that it is made of are known; else None."""
    operator = node.operator
    if operator == "Shape":
        return np.array(_part_of_shape(node, given), np.int64)
    known = operator in _ARITHMETIC or operator in _NUMBERS
    if not known or any(one.value is None for one in given.arrays):
        return None
    if any(one.kind not in _FOLDED for one in given.arrays) and operator not in _FLOATS_FOLDED:
        return None
    values = [given.numbers(place) for place in range(len(given.arrays))]
    with np.errstate(all="ignore"):
        if operator in _ARITHMETIC:
            return np.asarray(_ARITHMETIC[operator](*values))
        found = _NUMBERS[operator](node, given, values)
        return None if found is None else np.asarray(found)


# -- costs -----------------------------------------------------------------------------------------

_EACH, _SLOWLY, _CUBIC = 50, 200, 3_000
"""Multiplications that take as long as an operator does for a number: where many lie in a row, else
or with a function such as a power, and with a spline or a place of its own."""
_WINDOW, _MATRIX = 10, 2_000
"""As above, for a number that is seen through a window, and to begin with another matrix."""
_ROW = 8
_SLOW = (
    "GatherND", "InstanceNormalization", "LayerNormalization", "LogSoftmax", "Mish", "Pow",
    "Softmax", "Softplus", "Where",
)  # fmt: skip
_RECORD, _PLACE = 200, 64  # bytes at most that are kept of each matrix, and place in a picture


def multiplications(node: Node, given: Given, found: Sequence[Array]) -> int:
    """How many take as long as an operator does.

    They take about a tenth of a nanosecond each, or less.
    """
    inputs, size, operator = _Inputs(given), found[0].size, node.operator
    read = inputs.arrays[:1] if operator == "Conv" else inputs.arrays  # filters are in its products
    largest = max((*found, *read), key=lambda one: one.size)
    in_rows = largest.size <= _ROW or largest.shape[-1] >= _ROW
    each = _EACH if in_rows and operator not in _SLOW else _SLOWLY
    if operator == "GridSample" or node.attributes.get("mode") == "cubic":
        each = _CUBIC
    moved = each * largest.size
    if operator == "Conv":
        kernel, sides = inputs.shape(1)[1:], found[0].shape[2:]
        padded = found[0].nbytes // found[0].width
        seen = math.prod(inputs.shape()[:2]) * math.prod(kernel[1:]) * math.prod(sides)
        matrices = found[0].shape[0] * node.attributes.get("group", 1)
        return moved + padded * math.prod(kernel) + _WINDOW * seen + _MATRIX * matrices
    if operator in _GATES:
        steps, images, features = inputs.shape()
        directions, gates, hidden = inputs.shape(2)
        each = gates * (features + hidden + _SLOWLY)
        return moved + steps * directions * (images * each + 2 * _MATRIX)
    if operator in _POOLS:
        return moved + _WINDOW * size * math.prod(node.attributes["kernel_shape"])
    if operator in ("MatMul", "Gemm", "Einsum"):
        slow = 1 if inputs.array(0).kind == _FLOAT else _WINDOW
        matrices = _matrices(node, inputs, found[0])
        return moved + slow * _products(node, inputs, size) + _MATRIX * matrices
    return moved


def _products(node: Node, inputs: _Inputs, size: int) -> int:
    if node.operator == "Einsum":
        return math.prod(_letters(node, inputs)[0].values())
    return size * inputs.shape(0)[0 if _flag(node, "transA") else -1]


def _matrices(node: Node, inputs: _Inputs, found: Array) -> int:
    """That are multiplied one after the other."""
    if node.operator == "Gemm":
        return 1
    if node.operator == "MatMul":
        return math.prod(found.shape[:-2]) if len(found.shape) > 2 else 1
    sides, result = _letters(node, inputs)
    terms = node.attributes["equation"].replace(" ", "").partition("->")[0].split(",")
    return math.prod(sides[one] for one in result if all(one in term for term in terms))


def scratch(node: Node, given: Given, found: Sequence[Array]) -> int:
    """Bytes that the runtime takes while it computes, beside what it gives."""
    inputs, operator, out = _Inputs(given), node.operator, found[0]
    if operator == "Conv":
        # All that the windows see, once more; in whole numbers, where each of it lies.
        filters = inputs.array(1)
        each = 4 * math.prod(filters.shape[1:]) + 8 * math.prod(filters.shape[2:])
        return each * math.prod(out.shape[2:])
    if operator in _GATES:  # what comes in reversed, the gates of all steps, and packed weights
        gates = math.prod(inputs.shape()[:2]) * math.prod(inputs.shape(1)[:2]) * out.width
        return inputs.array(0).nbytes + 3 * gates + 2 * sum(one.nbytes for one in inputs.arrays[1:])
    if operator in ("MatMul", "Gemm", "Einsum"):
        copies = sum(one.nbytes for one in (out, *inputs.arrays)) if operator == "Einsum" else 0
        return copies + _RECORD * _matrices(node, inputs, out)
    if operator in ("LogSoftmax", "Softmax", "Sum", "Max", "Min", "Where", "Resize"):
        return 2 * max(one.nbytes for one in (out, *inputs.arrays))
    if operator in ("GatherND", "GridSample"):
        return _PLACE * math.prod(inputs.shape(1)[:-1])
    if operator in _REDUCTIONS and out.size > 1:
        return 8 * (out.size + inputs.array(0).size // out.size)  # a place each
    return 0


def padding(node: Node, given: Given) -> int:
    """Bytes of zeros that the runtime keeps with an operator's weights, for good."""
    inputs, operator = _Inputs(given), node.operator
    if operator not in ("Conv", "MatMul", "Gemm") or not inputs.array(1).constant:
        return 0
    weights = inputs.array(1)
    side = weights.shape[0 if operator == "Conv" or _flag(node, "transB") else -1]
    return weights.size // side * (-side % BLOCK) * weights.width
