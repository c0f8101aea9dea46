"""What a model takes to answer: memory and multiplications, told from its graph before it runs.

A file of half a megabyte may ask for any amount of either. All shapes follow from the shape
of the images, by the operators' own rules. A model where they do not, or where they depend on
pixels, is refused: the frameworks write no such model of a network for images.

Source of the rules: onnx/docs/Operators.md.
"""

from dataclasses import dataclass

from fashion_cnn.errors import ModelError
from fashion_cnn.shipping.onnx_graph import Array, Graph
from fashion_cnn.shipping.onnx_rules import multiplications, outputs_of, scratch
from fashion_cnn.shipping.protobuf import RefusedError

MOST_BYTES = 512 << 20
"""Of all that is kept at once while some images are answered; weights are not counted."""

MOST_MULTIPLICATIONS = 10**11
"""For one image; ResNet-50 needs a twentieth at its own size of images."""

_MOST_NODES = 20_000
_BATCHES = (256, 64, 16, 4, 1)


@dataclass(frozen=True)
class Cost:
    """Of answering for some images.

    Attributes:
        nbytes: at most, of all that is kept at once.
        multiplications: of all of them together.
    """

    nbytes: int
    multiplications: int


def largest_batch(graph: Graph, what: str) -> int:
    """How many images a model may be given at once: 256, or fewer of a large one.

    Args:
        graph: of the model.
        what: its name in errors.

    Raises:
        ModelError: it takes too much for a single image, or that cannot be told.
    """
    try:
        if len(graph.nodes) > _MOST_NODES:
            raise RefusedError(f"has {len(graph.nodes):,} operators; at most {_MOST_NODES:,} run")
        alone = cost(graph, 1)
        if alone.nbytes > MOST_BYTES or alone.multiplications > MOST_MULTIPLICATIONS:
            raise RefusedError(
                f"takes {alone.nbytes / 1e6:,.0f} MB and {alone.multiplications / 1e9:,.1f} billion"
                f" multiplications an image; at most {MOST_BYTES / 1e6:,.0f} MB and "
                f"{MOST_MULTIPLICATIONS / 1e9:,.0f} billion are allowed"
            )
        return next((size for size in _BATCHES[:-1] if cost(graph, size).nbytes <= MOST_BYTES), 1)
    except RefusedError as fault:
        raise ModelError(f"{what} {fault}") from None


def fits(graph: Graph) -> bool:
    """Whether a model takes no more for one image than is allowed; one of which it is known that it
    did before it was given further outputs.
    """
    found = cost(graph, 1)
    return found.nbytes <= MOST_BYTES and found.multiplications <= MOST_MULTIPLICATIONS


def cost(graph: Graph, images: int) -> Cost:
    """Follow the shapes through a graph. Raises `RefusedError` where that cannot be done."""
    known = dict(graph.constants)
    if len(graph.inputs) != 1:
        raise RefusedError("takes other things than images")
    known[graph.inputs[0]] = Array((images, 28, 28), 1)
    last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    kept = most = total = 0
    for at, node in enumerate(graph.nodes):
        try:
            given = [known[name] if name else None for name in node.inputs]
            found = outputs_of(node, given)
            temporary, counted = scratch(node, given), multiplications(node, given, found)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
            raise RefusedError(
                f"holds an operator {node.operator} whose size cannot be told before it runs"
            ) from None
        total += counted
        kept += sum(array.nbytes for array in found)
        most = max(most, kept + temporary)
        if most > images * MOST_BYTES:
            break  # whatever follows
        known |= dict(zip(node.outputs, found, strict=False))
        for name in {*node.inputs, *node.outputs}:
            # What is the same for all images is computed once and stays.
            if last.get(name, at) <= at and name in known and name not in graph.outputs:
                if not known[name].constant and name not in graph.inputs:
                    kept -= known[name].nbytes
                del known[name]
    return Cost(most, total)
