"""What a model takes to answer: memory and multiplications, told from its graph before it runs.

A file of half a megabyte may ask for any amount of either. All shapes follow from the shape
of the images, by the operators' own rules. A model where they do not, or where they depend on
pixels, is refused: the frameworks write no such model of a network for images.

Source of the rules: onnx/docs/Operators.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fashion_cnn.errors import ModelError
from fashion_cnn.shipping.onnx_graph import Array, Graph
from fashion_cnn.shipping.onnx_rules import multiplications, outputs_of, padding, scratch
from fashion_cnn.shipping.protobuf import RefusedError

MOST_BYTES = 384 << 20
"""Of all that is kept at once while some images are answered; weights are not counted. The
runtime's own store grows to a multiple of it."""

MOST_MULTIPLICATIONS = 10**11
"""For some images at once; ResNet-50 needs a twentieth for one at its own size of images."""

_UINT8 = 2  # ONNX's number
_BATCHES = (256, 64, 16, 4, 1)  # what is fastest: fashion-cnn benchmark infer
_TRIED_ONE_BY_ONE = 16  # images at most where sizes are computed: each number of them is tried
_FEW_NODES = 2_000  # a larger graph gets one image then


@dataclass(frozen=True)
class Cost:
    """Of answering for some images.

    Attributes:
        nbytes: at most, of all that is kept at once.
        multiplications: of all of them together, or what takes as long.
        of_number: whether a number that is computed on the way may depend on how many they are.
    """

    nbytes: int
    multiplications: int
    of_number: bool = False

    @property
    def fits(self) -> bool:
        """Whether it is allowed."""
        return self.nbytes <= MOST_BYTES and self.multiplications <= MOST_MULTIPLICATIONS


def largest_batch(graph: Graph, what: str) -> int:
    """How many images a model may be given at once: 256, or fewer of a large one.

    Args:
        graph: of the model.
        what: its name in errors.

    Raises:
        ModelError: it takes too much for a single image, or that cannot be told.
    """
    try:
        alone = cost(graph, 1)
        if not alone.fits:
            raise RefusedError(
                f"takes {alone.nbytes / 1e6:,.0f} MB, and as long as "
                f"{alone.multiplications / 1e9:,.1f} billion multiplications, an image; at most "
                f"{MOST_BYTES / 1e6:,.0f} MB and {MOST_MULTIPLICATIONS / 1e9:,.0f} billion are "
                "allowed"
            )
        most = _BATCHES[0]
        if alone.of_number:
            most = _TRIED_ONE_BY_ONE if len(graph.nodes) <= _FEW_NODES else 1
        batch = next((size for size in _BATCHES if size <= most and cost(graph, size).fits), 1)
        # Computed sizes may be small for one image and for many, and large between.
        for size in range(2, batch) if alone.of_number else ():
            if not cost(graph, size).fits:
                raise RefusedError(f"takes more for {size} images than for {batch}")
        return batch
    except RefusedError as fault:
        raise ModelError(f"{what} {fault}") from None


def cost(graph: Graph, images: int) -> Cost:
    """Follow the shapes through a graph. Raises `RefusedError` where that cannot be done."""
    known = dict(graph.constants)
    if len(graph.inputs) != 1:
        raise RefusedError("takes other things than images")
    known[graph.inputs[0]] = Array((images, 28, 28), _UINT8)
    _check_stated(graph, known)
    last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    ends = {*graph.inputs, *graph.outputs}
    kept = most = total = 0
    of_number = False
    for at, node in enumerate(graph.nodes):
        try:
            given = [known[name] if name else None for name in node.inputs]
            found = outputs_of(node, given)
            temporary, counted = scratch(node, given, found), multiplications(node, given, found)
            kept += padding(node, given)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
            raise RefusedError(
                f"holds an operator {node.operator} whose size cannot be told before it runs"
            ) from None
        total += counted
        of_number |= any(one.value is not None and not one.constant for one in found)
        kept += sum(array.nbytes for array in found)
        most = max(most, kept + temporary)
        if most > MOST_BYTES:
            break  # whatever follows
        given = dict(zip(node.outputs, found, strict=False))
        _check_stated(graph, given)
        known |= given
        for name in {*node.inputs, *node.outputs}:
            # What is the same for all images is computed once and stays.
            if last.get(name, at) <= at and name in known and name not in ends:
                if not known[name].constant:
                    kept -= known[name].nbytes
                del known[name]
    return Cost(most, total, of_number)


def _check_stated(graph: Graph, found: Mapping[str, Array]) -> None:
    """The runtime takes the sides that a file states for true, and computes other sizes of them."""
    for name, array in found.items():
        stated = graph.stated.get(name, (None,) * len(array.shape))
        fits = len(stated) == len(array.shape) and all(
            one in (None, side) for one, side in zip(stated, array.shape, strict=True)
        )
        if not fits or (name in graph.inputs and stated[0] is not None):
            raise RefusedError(f"states sides of {name!r:.40} that it does not have")
