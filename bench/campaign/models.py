"""Model files that were altered, or made to do harm: refused, or they answer within their means."""

import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench.campaign.experiment import Experiment, Trial
from fashion_cnn.errors import ModelError
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier

_SECONDS, _MEGABYTES = 60.0, 1_200
"""For what the largest model that is let through may take, and to refuse another."""


def _trial(trial: Trial) -> None:
    os.chdir(trial.room)
    data = (trial.stage / trial.draw.choice(("run", "other")) / "model.onnx").read_bytes()
    altered = (_bytes_altered if trial.number % 3 == 0 else _graph_altered)(trial, data)
    Path("canary").write_text("precious")
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        model = OnnxClassifier(altered, threads=1)
        answers = model.logits(images)
        assert answers.shape == (50, len(model.class_names))
        assert np.isfinite(answers).all()
        print("answers")
    except ModelError as error:
        print(error)
    spent = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    assert spent < _SECONDS, f"{spent:.1f} s"
    assert grown < _MEGABYTES, f"{grown:.0f} MB"
    assert [path.name for path in Path().iterdir() if path.name != "output.txt"] == ["canary"]


def _bytes_altered(trial: Trial, data: bytes) -> bytes:
    draw, altered = trial.draw, bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 30))):
        place = draw.randrange(len(altered))
        match draw.randrange(4):
            case 0 | 1:
                altered[place] ^= 1 << draw.randrange(8)
            case 2:
                del altered[place : place + draw.choice((1, 4, 1_000))]
            case _:
                altered[place:place] = draw.randbytes(draw.choice((1, 4, 1_000)))
    return bytes(altered)


def _graph_altered(trial: Trial, data: bytes) -> bytes:
    """An operator more somewhere, or another number in an attribute, a shape or a constant."""
    draw, model = trial.draw, onnx.ModelProto.FromString(data)
    match trial.number % 5:
        case 0:
            _put_before_logits(model, *draw.choice(_HARMFUL))
        case 1:
            node = draw.choice([one for one in model.graph.node if one.attribute])
            attribute = draw.choice(node.attribute)
            if attribute.ints:
                attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(_NUMBERS)
            else:
                attribute.i = draw.choice(_NUMBERS)
        case 2:
            tensor = draw.choice(model.graph.initializer)
            if tensor.dims:
                tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(_NUMBERS)
            else:
                tensor.dims.append(draw.choice(_NUMBERS))
        case 3:
            tensor = draw.choice(model.graph.initializer)
            values = numpy_helper.to_array(tensor).copy()
            values[...] = draw.choice((0, 1e38, -1e38, np.nan, np.inf)) if _floats(values) else -1
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        case _:
            properties = draw.choice(model.metadata_props)
            properties.value = draw.choice(_FACTS)
    return model.SerializeToString()


def _floats(values: Any) -> bool:
    return values.dtype.kind == "f"


_NUMBERS = (-(2**63), -1, 0, 1, 2, 7, 1_000, 10**6, 2**31, 2**40, 2**62)
_FACTS = ("", "null", "[]", "{}", "NaN", '"\\ud800"', "[" * 100_000, '{"temperature": 1e999}', "1")


def _put_before_logits(model: Any, constants: dict[str, list[int]], nodes: list[tuple]) -> None:
    place = next(i for i, node in enumerate(model.graph.node) if "logits" in node.output)
    model.graph.node[place].output[:] = ["before"]
    for name, values in constants.items():
        array = np.array(values, np.int64)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for number, (operator, inputs, output, attributes) in enumerate(nodes):
        node = helper.make_node(operator, inputs, [output], **attributes)
        model.graph.node.insert(place + 1 + number, node)


_HARMFUL: list[tuple[dict[str, list[int]], list[tuple]]] = [
    ({"s": [side] * rank}, [("Expand", ["before", "s"], "e", {}), ("ReduceMax", ["e"], "m", {}),
                            ("Add", ["before", "m"], "logits", {})])
    for side, rank in ((10, 9), (100_000, 2), (2**31, 3), (2**62, 2), (1, 2))
] + [
    ({"s": [1, times]}, [("Tile", ["before", "s"], "t", {}), ("ReduceMax", ["t"], "m", {}),
                         ("Add", ["before", "m"], "logits", {})])
    for times in (10, 10**6, 10**9, 2**40)
] + [
    ({"s": [0, 0, 0, pad]}, [("Pad", ["before", "s"], "p", {}), ("ReduceMax", ["p"], "m", {}),
                             ("Add", ["before", "m"], "logits", {})])
    for pad in (5, 10**7, 10**10, -100)
] + [
    ({"a": [0], "z": [end], "d": [step]}, [
        ("Squeeze", ["a"], "a0", {}), ("Squeeze", ["z"], "z0", {}), ("Squeeze", ["d"], "d0", {}),
        ("Range", ["a0", "z0", "d0"], "r", {}), ("ReduceMax", ["r"], "m", {}),
        ("Cast", ["m"], "c", {"to": 1}), ("Add", ["before", "c"], "logits", {})])
    for end, step in ((10, 1), (10**9, 1), (2**60, 1), (10, 0))
] + [
    ({"s": [side, side]}, [("ConstantOfShape", ["s"], "f", {}), ("MatMul", ["f", "f"], "p", {}),
                           ("ReduceMax", ["p"], "m", {}), ("Add", ["before", "m"], "logits", {})])
    for side in (10, 3_000, 8_000, 10**6)
] + [
    ({}, [(operator, ["before"], "logits", {"domain": domain} if domain else {})])
    for operator, domain in (("Loop", ""), ("If", ""), ("Scan", ""), ("Run", "com.evil"))
] + [
    ({"s": [-1, 1]}, [("Shape", ["before"], "h", {}), ("Mul", ["h", "h"], "q", {}),
                      ("ConstantOfShape", ["q"], "f", {}), ("ReduceMax", ["f"], "m", {}),
                      ("Add", ["before", "m"], "logits", {})]),
    ({}, [("Cast", ["images"], "w", {"to": 7}), ("ReduceMax", ["w"], "n", {"keepdims": 0}),
          ("Pow", ["n", "n"], "b", {}), ("ConstantOfShape", ["b"], "f", {}),
          ("ReduceMax", ["f"], "m", {}), ("Add", ["before", "m"], "logits", {})]),
]  # fmt: skip


MODELS = Experiment(
    "models",
    "A model file with bytes or numbers altered, or operators that ask for anything: refused by "
    "name, or answers that are finite within 1.2 GB; nothing is written",
    1_000,
    _trial,
)
