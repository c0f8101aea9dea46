"""What each operator of ONNX makes of the shapes that it is given, and what that costs.

Source: onnx/docs/Operators.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.shipping.onnx_graph import MOST_VALUES, Array, Node, kind_of, width_of

Shape = tuple[int, ...]
Given = Sequence[Array | None]
_Values = Sequence[NDArray[Any]]
_INT64 = 8


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


def _axes(node: Node, given: _Inputs, place: int, rank: int) -> list[int] | None:
    """From the attribute, as older operators have them, or from an input; None for neither."""
    found = node.attributes.get("axes")
    if found is None and given.has(place):
        found = given.whole(place)
    return None if found is None else [_axis(axis, rank) for axis in found]


def _positive(sides: Sequence[int]) -> Shape:
    if min(sides, default=0) < 0:
        raise ValueError("a side below zero")
    return tuple(sides)


def _layer_normalisation(node: Node, given: _Inputs) -> list[Shape]:
    shape = given.shape()
    axis = _axis(node.attributes.get("axis", -1), len(shape))
    return [shape, *[shape[:axis] + (1,) * (len(shape) - axis)] * 2]


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


def _reshape(node: Node, given: _Inputs) -> Shape:
    shape, wanted = given.shape(), given.whole(1)
    if not node.attributes.get("allowzero"):
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
    if "starts" in node.attributes:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
    else:
        starts, ends = given.whole(1), given.whole(2)
    axes = _axes(node, given, 3, len(shape)) or list(range(len(starts)))
    steps = given.whole(4) if given.has(4) else [1] * len(starts)
    _must_fit(len({*axes}) == len(axes))
    for axis, first, last, step in zip(axes, starts, ends, steps, strict=True):
        side = shape[axis]
        low, high = (0, side) if step > 0 else (-1, side - 1)
        start, end = (min(max(at + side if at < 0 else at, low), high) for at in (first, last))
        cuts[axis] = range(start, end, step)
    return cuts


def _slice(node: Node, given: _Inputs) -> Shape:
    cuts = _cuts(node, given)
    return tuple(len(cuts.get(axis, range(side))) for axis, side in enumerate(given.shape()))


def _split(node: Node, given: _Inputs) -> list[Shape]:
    shape, parts = given.shape(), node.attributes.get("split")
    axis = _axis(node.attributes.get("axis", 0), len(shape))
    if parts is None and given.has(1):
        parts = given.whole(1)
    if parts is None:
        count = node.attributes.get("num_outputs", len(node.outputs))
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
    found = node.attributes["axes"] if "axes" in node.attributes else given.whole(1)
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


def _range(node: Node, given: _Inputs) -> Shape:
    start, limit, step = (float(given.numbers(place).item()) for place in range(3))
    return (max(0, math.ceil((limit - start) / step)),)


def _pad(node: Node, given: _Inputs) -> Shape:
    shape = list(given.shape())
    pads = node.attributes["pads"] if "pads" in node.attributes else given.whole(1)
    axes = _axes(node, given, 3, len(shape)) or list(range(len(shape)))
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        shape[axis] += before + after
    return _positive(shape)


def _resize(node: Node, given: _Inputs) -> Shape:
    shape = list(given.shape())
    if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("another way to resize")
    axes = [_axis(axis, len(shape)) for axis in node.attributes.get("axes", range(len(shape)))]
    if given.has(3):
        sides = given.whole(3)
    else:
        scales = given.numbers(2).ravel().tolist()
        sides = [math.floor(shape[axis] * scale) for axis, scale in zip(axes, scales, strict=True)]
    for axis, side in zip(axes, sides, strict=True):
        shape[axis] = side
    return _positive(shape)


def _depth_to_space(node: Node, given: _Inputs) -> Shape:
    (n, c, h, w), block = given.shape(), node.attributes["blocksize"]
    return (n, c // block**2, h * block, w * block)


def _space_to_depth(node: Node, given: _Inputs) -> Shape:
    (n, c, h, w), block = given.shape(), node.attributes["blocksize"]
    return (n, c * block**2, h // block, w // block)


def _reduced(node: Node, given: _Inputs) -> Shape:
    shape = given.shape()
    axes = _axes(node, given, 1, len(shape))
    if not axes:
        if node.attributes.get("noop_with_empty_axes"):
            return shape
        axes = list(range(len(shape)))
    if node.attributes.get("keepdims", 1):
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
    if len(kernel) != rank:
        raise ValueError("a window of other axes")
    strides, dilations, pads = _of_window(node, rank)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if min(*strides, *dilations, *kernel) < 1:
        raise ValueError("a window that does not move")
    for at, side in enumerate(sides):
        reach = dilations[at] * (kernel[at] - 1) + 1
        if automatic.startswith("SAME"):
            found.append(-(-side // strides[at]))
            continue
        room = side - reach + (0 if automatic == "VALID" else pads[at] + pads[at + rank])
        steps = room / strides[at] if node.attributes.get("ceil_mode") else room // strides[at]
        found.append(math.ceil(steps) + 1)
    return _positive(found)


def _convolution(node: Node, given: _Inputs) -> Shape:
    shape, filters = given.shape(), given.shape(1)
    _must_fit(shape[1] == filters[1] * node.attributes.get("group", 1))
    return (shape[0], filters[0], *_windows(node, shape[2:], filters[2:]))


def _transposed(node: Node, given: _Inputs) -> Shape:
    shape, filters = given.shape(), given.shape(1)
    sides, kernel, rank = shape[2:], filters[2:], len(shape) - 2
    strides, dilations, pads = _of_window(node, rank)
    more = node.attributes.get("output_padding") or [0] * rank
    found = node.attributes.get("output_shape") or [
        strides[at] * (sides[at] - 1) + more[at] + (kernel[at] - 1) * dilations[at] + 1
        - (pads[at] + pads[at + rank])
        for at in range(rank)
    ]  # fmt: skip
    _must_fit(shape[1] == filters[0])
    return (shape[0], filters[1] * node.attributes.get("group", 1), *_positive(found[-rank:]))


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
    left = left[::-1] if node.attributes.get("transA") else left
    right = right[::-1] if node.attributes.get("transB") else right
    _must_fit(len(left) == len(right) == 2 and left[1] == right[0])
    return (left[0], right[1])


def _letters(node: Node, given: _Inputs) -> tuple[dict[str, int], str]:
    """The sides by their letters in an equation, and the result's letters."""
    terms, arrow, result = node.attributes["equation"].replace(" ", "").partition("->")
    sides: dict[str, int] = {}
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
    "Abs", "Cast", "Ceil", "Clip", "Cos", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LeakyRelu", "Log",
    "LogSoftmax", "Mish", "Neg", "Not", "PRelu", "QuantizeLinear", "Reciprocal", "Relu", "Round",
    "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
    "Trilu",
)  # fmt: skip
_COMPARISONS = ("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or")
_TOGETHER = (*_COMPARISONS, "Add", "Div", "Max", "Min", "Mod", "Mul", "Pow", "Sub", "Sum", "Where")
_REDUCTIONS = ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
_GLOBAL, _POOLS = ("GlobalAveragePool", "GlobalMaxPool"), ("AveragePool", "LpPool", "MaxPool")
RULES: Mapping[str, Callable[[Node, _Inputs], Shape | list[Shape]]] = {
    **dict.fromkeys(_ALIKE, lambda node, given: given.shape()),
    **dict.fromkeys(
        _TOGETHER, lambda node, given: np.broadcast_shapes(*(one.shape for one in given.arrays))
    ),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(
        _GLOBAL, lambda node, given: given.shape()[:2] + (1,) * (len(given.shape()) - 2)
    ),
    **dict.fromkeys(_POOLS, _pooled),
    "BatchNormalization": lambda node, given: [
        given.shape(),
        *[given.shape(1)] * (len(node.outputs) - 1),
    ],
    "Concat": _concat,
    "Constant": lambda node, given: constant_of(node).shape,
    "ConstantOfShape": lambda node, given: _positive(given.whole(0)),
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "DepthToSpace": _depth_to_space,
    "Einsum": _einsum,
    "Expand": lambda node, given: np.broadcast_shapes(given.shape(), _positive(given.whole(1))),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _general_product,
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
"""By operator: the shape of its output, or of each of several."""


def outputs_of(node: Node, given: Given) -> list[Array]:
    """What an operator gives, with its numbers where they are few and can be known.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError: it cannot be
            told.
    """
    inputs = _Inputs(given)
    if node.operator == "Constant":
        return [constant_of(node)]
    constant = all(one.constant for one in inputs.arrays)
    width, shapes = _width(node, inputs), RULES[node.operator](node, inputs)
    shapes = shapes[: max(1, len(node.outputs))] if isinstance(shapes, list) else [shapes]
    found = [Array(shape, width, constant=constant) for shape in shapes]
    if node.operator == "MaxPool" and len(found) > 1:
        found[1] = Array(found[1].shape, _INT64, constant=constant)
    first = found[0]
    if len(found) == 1 and first.size <= MOST_VALUES:
        value = _folded(node, inputs)
        if value is not None and value.shape == first.shape:
            found = [Array(first.shape, width, value, constant)]
    return found


def constant_of(node: Node) -> Array:
    """What a `Constant` holds."""
    ((name, value),) = node.attributes.items()
    if isinstance(value, Array):
        return value
    whole = name.startswith("value_int")
    found = np.array(value, np.int64 if whole else np.float32)
    return Array(found.shape, found.itemsize, found, constant=True)


def _width(node: Node, given: _Inputs) -> int:
    """Bytes of a number of the result."""
    operator = node.operator
    if operator == "Cast":
        return width_of(node.attributes["to"])
    if operator == "Shape":
        return _INT64
    if operator in ("Not", *_COMPARISONS):
        return 1
    if operator == "QuantizeLinear":
        return given.array(2).width if given.has(2) else 1
    if operator == "DequantizeLinear":
        return 4
    if operator == "ConstantOfShape":
        value = node.attributes.get("value")
        return value.width if value else 4
    if operator in (*_TOGETHER, "Range", "Concat", "Einsum", "Gemm", "MatMul"):
        return max(one.width for one in given.arrays)
    return given.array(0).width


# -- numbers ---------------------------------------------------------------------------------------


def _moved(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    """The same numbers in another shape."""
    shape = RULES[node.operator](node, given)
    assert isinstance(shape, tuple)
    same = values[0].size == math.prod(shape)
    return values[0].reshape(shape) if same else np.broadcast_to(values[0], shape)


def _cast(node: Node, given: _Inputs, values: _Values) -> NDArray[Any] | None:
    kind = kind_of(node.attributes["to"])
    return None if kind is None else values[0].astype(kind)


def _constant_of_shape(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    value = node.attributes.get("value")
    return np.full(given.whole(0), np.float32(0) if value is None else value.value.ravel()[0])


def _divided(node: Node, given: _Inputs, values: _Values) -> NDArray[Any]:
    first, second = values
    whole = first.dtype.kind in "iu"
    return np.trunc(first / second).astype(first.dtype) if whole else first / second


def _sliced(node: Node, given: _Inputs, values: _Values) -> NDArray[Any] | None:
    if "starts" in node.attributes:
        return None
    found = values[0]
    for axis, places in _cuts(node, given).items():
        found = np.take(found, places, axis)
    return found


def _reduced_numbers(node: Node, given: _Inputs, values: _Values) -> NDArray[Any] | None:
    axes = _axes(node, given, 1, values[0].ndim)
    if not axes:
        return None
    reduce = {"Max": np.max, "Min": np.min, "Prod": np.prod, "Sum": np.sum}
    keep = bool(node.attributes.get("keepdims", 1))
    return reduce[node.operator.removeprefix("Reduce")](values[0], axis=tuple(axes), keepdims=keep)


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "Abs": np.abs, "Add": np.add, "And": np.logical_and, "Ceil": np.ceil, "Equal": np.equal,
    "Floor": np.floor, "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "Identity": np.array, "Less": np.less, "LessOrEqual": np.less_equal, "Max": np.maximum,
    "Min": np.minimum, "Mul": np.multiply, "Neg": np.negative, "Not": np.logical_not,
    "Or": np.logical_or, "Sqrt": np.sqrt, "Sub": np.subtract, "Where": np.where,
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
    values = [given.numbers(place) for place in range(len(given.arrays))]
    with np.errstate(all="ignore"):
        if operator in _ARITHMETIC:
            return np.asarray(_ARITHMETIC[operator](*values))
        found = _NUMBERS[operator](node, given, values)
        return None if found is None else np.asarray(found)


# -- costs -----------------------------------------------------------------------------------------


def multiplications(node: Node, given: Given, found: Sequence[Array]) -> int:
    """How many an operator needs; of what only moves or compares numbers, how many it gives."""
    inputs, size = _Inputs(given), max(one.size for one in found)
    operator = node.operator
    if operator == "Conv":
        return size * math.prod(inputs.shape(1)[1:])
    if operator == "ConvTranspose":
        return inputs.array(0).size * math.prod(inputs.shape(1)[1:])
    if operator in _POOLS:
        return size * math.prod(node.attributes["kernel_shape"])
    if operator == "MatMul":
        return size * inputs.shape(0)[-1]
    if operator == "Gemm":
        return size * inputs.shape(0)[0 if node.attributes.get("transA") else 1]
    if operator == "Einsum":
        return math.prod(_letters(node, inputs)[0].values())
    return max(size, *(one.size for one in inputs.arrays), 0)


def scratch(node: Node, given: Given) -> int:
    """Bytes that the runtime takes while it computes, beside what it gives."""
    inputs = _Inputs(given)
    if node.operator == "ConvTranspose":
        shape, filters = inputs.shape(0), inputs.shape(1)
        return 4 * math.prod(filters[1:]) * math.prod(shape[2:])
    if node.operator == "Einsum":
        sides, _ = _letters(node, inputs)
        copies = sum(one.nbytes for one in inputs.arrays)
        return copies + (4 * math.prod(sides.values()) if len(inputs.arrays) > 2 else 0)
    return 0
