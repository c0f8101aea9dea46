"""What is told of a network's inside: its own tensors, and sums that are its own logits."""

import base64
import functools
import io
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node
from PIL import Image
from torch import nn

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.occlusion import occlusion_by_class, occlusion_maps
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.on_torch.model import SimpleCNN
from fashion_cnn.shipping import inside as module
from fashion_cnn.shipping import layers, onnx_cost
from fashion_cnn.shipping.graph import OPSET, complete
from fashion_cnn.shipping.inside import (
    NO_CHANNELS,
    NO_MAPS,
    NO_WINDOW,
    NOT_FINITE,
    NOT_RUN,
    TOO_LARGE,
    Inside,
    Seen,
    convolve,
)
from fashion_cnn.shipping.layers import NO_EVIDENCE, seen_layers
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.onnx_graph import read_graph, with_outputs
from fashion_cnn.shipping.predict import FOR_PHOTOS, open_model, open_predictor
from serving import BOOT
from test_export import CALIBRATION, FACTS, MODELS, random_model, replaced_logits

IMAGE = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)


def exported(model: nn.Module) -> OnnxClassifier:
    graph = complete(to_onnx(model, OPSET), CALIBRATION, FACTS)
    return OnnxClassifier(graph.SerializeToString(), threads=1)


def see(model: nn.Module) -> Seen:
    return Inside(exported(model)).see(IMAGE)


class Own(nn.Module):
    """A network of somebody's own, of any body and head."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images[:, None] / 255))


def test_the_assignments_network_is_seen_as_it_computes() -> None:
    model = random_model("simple_cnn")
    assert isinstance(model, SimpleCNN)
    seen = see(model)
    x = ((torch.from_numpy(IMAGE)[None, None] / 255 - model.mean) / model.std).float()
    with torch.inference_mode():
        first = model.conv1(x)
        stages = []
        for conv in (model.conv1, model.conv2, model.conv3):
            x = F.max_pool2d(F.relu(conv(x)), 2)
            stages.append(x[0].numpy())
        features = F.relu(model.hidden(x.flatten(1)))[0].numpy()
        logits = model.eval()(torch.from_numpy(IMAGE)[None])[0].numpy()
    assert [maps.shape for maps in seen.stages] == [(8, 14, 14), (16, 7, 7), (32, 3, 3)]
    for found, wanted in zip(seen.stages, stages, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert seen.window is not None
    assert (seen.window.pads, seen.window.strides) == ((1, 1), (1, 1))
    assert seen.window.then == ("MaxPool", "Relu")
    np.testing.assert_allclose(convolve(seen.window), first[0].numpy(), atol=1e-4)
    assert seen.features is not None
    assert seen.weights is not None
    assert seen.bias is not None
    np.testing.assert_allclose(seen.features, features, atol=1e-4)
    np.testing.assert_allclose(seen.weights @ features + seen.bias, logits, atol=1e-4)
    assert not seen.of_maps, "hidden units are no maps, however many there are"
    assert seen.notes == []


@pytest.mark.parametrize("name", [name for name in MODELS if name != "simple_cnn"])
def test_the_other_networks_end_in_the_largest_value_of_each_map(name: str) -> None:
    seen = see(random_model(name))
    assert seen.of_maps
    assert seen.features is not None
    np.testing.assert_allclose(seen.features, seen.stages[-1].max((1, 2)), atol=1e-5)
    sides = [maps.shape[1] for maps in seen.stages]
    assert sides == sorted(set(sides), reverse=True)
    assert seen.window is not None
    assert seen.window.weights.shape[1:] == (2, 2)


def test_timms_networks_are_seen_too() -> None:
    seen = see(random_model("timm:test_efficientnet"))
    assert len(seen.stages) > 2
    assert seen.features is not None


CONVOLUTION = nn.Conv2d(1, 4, 5, stride=2, padding=2)
HEAD = nn.Linear(4 * 14 * 14, 10)


@pytest.mark.parametrize(
    ("body", "head", "notes"),
    [
        (nn.Flatten(), nn.Linear(784, 10), [NO_MAPS, NO_WINDOW]),
        (nn.Sequential(CONVOLUTION, nn.Flatten()), HEAD, []),
        (nn.Sequential(CONVOLUTION, nn.Flatten()), nn.Sequential(HEAD, nn.Tanh()), [NO_CHANNELS]),
        (nn.Conv2d(1, 10, 28), nn.Flatten(), [NO_MAPS, NO_WINDOW, NO_CHANNELS]),
        (nn.Sequential(CONVOLUTION, nn.Conv2d(4, 10, 14)), nn.Flatten(), [NO_CHANNELS]),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2), nn.Flatten()),
            nn.Linear(4 * 24 * 24, 10),
            [NO_WINDOW],
        ),
    ],
    ids=["no convolution", "strided", "no linear end", "one convolution", "two", "dilated"],
)
def test_what_cannot_be_shown_is_said(body: nn.Module, head: nn.Module, notes: list[str]) -> None:
    torch.manual_seed(0)
    seen = see(Own(body, head))
    assert seen.notes == notes


def test_a_stage_may_be_below_zero_and_is_written_on_one_scale() -> None:
    torch.manual_seed(0)
    model = Own(nn.Sequential(CONVOLUTION, nn.Flatten()), HEAD)
    inside = Inside(exported(model))
    stage = seen_layers(inside, IMAGE)["stages"][0]
    values = np.frombuffer(base64.b64decode(stage["maps"]), np.int8).reshape(4, 14, 14)
    wanted = inside.see(IMAGE).stages[0]
    assert wanted.min() < 0
    np.testing.assert_allclose(values / 127 * stage["largest"], wanted, atol=stage["largest"] / 250)


@pytest.mark.parametrize("path", [None, FOR_PHOTOS])
def test_what_a_page_is_told_adds_up(path) -> None:
    classifier = open_model(path, threads=1)
    with Image.open(io.BytesIO(BOOT)) as file:
        image = np.asarray(file.convert("L"))
    found = seen_layers(Inside(classifier), image)
    assert found["classes"][0]["label"] == "Ankle boot"
    shares = classifier.probabilities(image[None])[0]
    logits = classifier.logits(image[None])[0]
    for one in found["classes"]:
        label = CLASS_NAMES.index(one["label"])
        parts = [value for _, value in one["channels"]]
        assert len(parts) == 8
        assert sorted(map(abs, parts), reverse=True) == [abs(part) for part in parts]
        assert one["others"][0] == 120
        assert sum(parts) + one["others"][1] + one["bias"] == pytest.approx(one["score"], abs=1e-4)
        assert one["score"] == pytest.approx(logits[label], abs=1e-4)
        assert one["probability"] == pytest.approx(shares[label], abs=1e-5)
    assert base64.b64decode(found["picture"]) == image.tobytes()
    evidence = found["evidence"]
    values = np.frombuffer(base64.b64decode(evidence["values"]), np.int8).reshape(10, 7, 7)
    calibration = Calibration.from_dict(classifier.facts["calibration"])
    label = np.array([CLASS_NAMES.index("Ankle boot")])
    (wanted,) = occlusion_maps(classifier, image[None], label, calibration.log_probabilities)
    points = evidence["points"]
    np.testing.assert_allclose(values[0] * points / 127, 100 * wanted[::4, ::4], atol=points / 250)
    assert np.abs(values).max() == 127


def test_evidence_of_all_classes_is_that_of_each() -> None:
    classifier = open_model(None, threads=1)
    found = occlusion_by_class(classifier, IMAGE)
    assert found.shape == (10, 28, 28)
    for label in (0, 7):
        (wanted,) = occlusion_maps(classifier, IMAGE[None], np.array([label]))
        np.testing.assert_allclose(found[label], wanted, atol=1e-6)


def test_the_photo_model_is_looked_into_where_it_answers() -> None:
    predictor = open_predictor(threads=1)
    assert predictor.layers(BOOT)["recipe"] == predictor.predict(BOOT).recipe == "balanced"
    random = np.random.default_rng(0)
    uneven = (np.linspace(60, 200, 160)[:, None, None] + random.normal(0, 25, (160, 160, 3))).clip(
        0, 255
    )
    uneven[40:120, 50:110] = 20
    file = io.BytesIO()
    Image.fromarray(uneven.astype(np.uint8)).save(file, "PNG")
    assert predictor.predict(file.getvalue()).recipe == "photo"
    assert predictor.layers(file.getvalue())["recipe"] == "photo"


def test_what_would_take_too_much_is_not_shown(monkeypatch) -> None:
    """All that is shown is kept at once: of a large network, or a hostile file, nothing is."""
    model, image = open_model(None, threads=1), np.full((28, 28), 90, np.uint8)
    alone = onnx_cost.cost(read_graph(model.data, "it"), 1).nbytes
    monkeypatch.setattr(onnx_cost, "MOST_BYTES", alone)
    seen = Inside(model).see(image)
    assert seen.notes == [NO_MAPS, NO_WINDOW, NO_CHANNELS]
    np.testing.assert_array_equal(seen.logits, model.logits(image[None])[0])
    monkeypatch.undo()
    assert not Inside(model).see(image).notes


@functools.cache
def linear() -> bytes:
    torch.manual_seed(0)
    graph = complete(to_onnx(Own(nn.Flatten(), nn.Linear(784, 10)), OPSET), CALIBRATION, FACTS)
    return graph.SerializeToString()


def beside(*nodes: NodeProto) -> OnnxClassifier:
    """A linear network, and nodes that make "maps" of "picture" but change no answer."""
    graph = ModelProto.FromString(linear())
    holes = np.zeros((28, 28), np.float32)
    holes[1, 1] = np.inf
    constants = {
        "first": np.array([1]),
        "zero": np.array(0, np.float32),
        "top": np.array(200, np.float32),
        "yes": np.array(True),
        "parts": np.array([-1, 1, 7, 7]),
        "filter": np.ones((1, 1, 1, 1), np.float32),
        "filters": np.ones((2000, 1, 1, 1), np.float32),
        "holes": holes,
    }
    graph.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in constants.items()
    )
    data = replaced_logits(
        graph,
        make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        make_node("Unsqueeze", ["cast", "first"], ["picture"]),
        *nodes,
        make_node("ReduceMax", ["maps"], ["most"], keepdims=0),
        make_node("Mul", ["most", "zero"], ["nothing"]),
        make_node("Add", ["before", "nothing"], ["logits"]),
    )
    return OnnxClassifier(data, threads=1)


def conv(given: str, name: str, weights: str = "filter", step: int = 1) -> NodeProto:
    return make_node("Conv", [given, weights], [name], strides=[step, step])


TWO = numpy_helper.from_array(np.array(2, np.float32))
OTHERS: dict[str, tuple[list[NodeProto], list[str], tuple[str, ...] | None]] = {
    "many pictures of one": (
        [make_node("Reshape", ["picture", "parts"], ["some"]), conv("some", "maps")],
        [NO_MAPS, NO_WINDOW, NO_CHANNELS],
        None,
    ),
    "a constant first": (
        [
            make_node("Constant", [], ["two"], value=TWO),
            conv("picture", "c"),
            make_node("Mul", ["two", "c"], ["twice"]),
            conv("twice", "maps", step=2),
        ],
        [NO_CHANNELS],
        ("Mul",),
    ),
    "maps without end": (
        [
            conv("picture", "c"),
            make_node("Div", ["c", "zero"], ["d"]),
            conv("d", "e", step=2),
            make_node("ReduceMax", ["e"], ["endless"]),
            make_node("ReduceMax", ["c"], ["some"]),
            make_node("Where", ["yes", "some", "endless"], ["maps"]),
        ],
        [NO_MAPS, NO_WINDOW, NO_CHANNELS, NOT_FINITE],
        None,
    ),
    "no end where no window looks": (
        [make_node("Add", ["picture", "holes"], ["holed"]), conv("holed", "maps", step=2)],
        [NO_WINDOW, NO_CHANNELS],
        None,
    ),
    "an output and an input left out": (
        [
            conv("picture", "c"),
            make_node("MaxPool", ["c"], ["unused", ""], kernel_shape=[2, 2]),
            conv("picture", "beside"),
            make_node("Clip", ["beside", "", "top"], ["maps"]),
        ],
        [NO_WINDOW, NO_CHANNELS],
        None,
    ),
    "large maps before small": (
        [
            conv("picture", "c", "filters"),
            make_node("Relu", ["c"], ["large"]),
            make_node("MaxPool", ["large"], ["maps"], kernel_shape=[14, 14], strides=[14, 14]),
        ],
        [NO_WINDOW, NO_CHANNELS, TOO_LARGE],
        None,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_nobody_would_build_is_left_out(name: str) -> None:
    nodes, notes, then = OTHERS[name]
    inside = Inside(beside(*nodes))
    text = json.dumps(seen_layers(inside, IMAGE), allow_nan=False)
    found = json.loads(text)
    assert found["notes"] == notes
    assert (None if found["window"] is None else tuple(found["window"]["then"])) == then
    assert len(text) < 100_000


@pytest.mark.parametrize("when", ["opened", "run"])
def test_what_the_runtime_does_not_give_is_a_note(monkeypatch, when: str) -> None:
    class FaultError(Exception): ...  # as the runtime's, of no other class

    def fail(*_: Any) -> Any:
        raise FaultError("no")

    session = fail if when == "opened" else lambda *_: SimpleNamespace(run=fail)
    model = open_model(None, threads=1)
    monkeypatch.setattr(module, "session_of", session)
    found = seen_layers(Inside(model), IMAGE)
    assert found["notes"] == [NO_MAPS, NO_WINDOW, NO_CHANNELS, NOT_RUN]
    assert found["classes"][0]["score"] == model.logits(IMAGE[None]).max()


def test_a_picture_that_has_no_answer_when_covered_is_shown_without_evidence(monkeypatch) -> None:
    def fail(*_: Any) -> Any:
        raise ModelError("no")

    monkeypatch.setattr(layers, "occlusion_by_class", fail)
    found = seen_layers(Inside(open_model(None, threads=1)), IMAGE)
    assert found["notes"] == [NO_EVIDENCE]
    assert not any(base64.b64decode(found["evidence"]["values"]))


def test_only_an_image_is_looked_at() -> None:
    with pytest.raises(UsageError, match="shape"):
        Inside(open_model(None, threads=1)).see(np.zeros((28, 27), np.uint8))


def test_outputs_are_added_to_a_file_that_still_passes_its_check() -> None:
    data = open_model(None, threads=1).data
    longer = with_outputs(data, ["relu_3", "x" * 300])
    assert longer.startswith(data)
    read_graph(longer, "the model")
    import onnx

    names = [one.name for one in onnx.load_from_string(longer).graph.output]
    assert names == ["logits", "probabilities", "relu_3", "x" * 300]


def test_what_is_covered_becomes_background() -> None:
    """A classifier of dark pixels, left or right: on white, the empty half is no evidence."""

    class Ink:
        def logits(self, images: np.ndarray) -> np.ndarray:
            dark = (255 - images.astype(np.float32)).reshape(len(images), 28, 2, 14).sum((1, 3))
            return dark / 20_000

    image = np.full((28, 28), 255, np.uint8)
    image[8:20, 2:12] = 0
    (found,) = occlusion_maps(Ink(), image[None], np.array([0]), ground=255)
    assert found[12, 6] > 0.01
    assert np.abs(found[:, 20:]).max() == 0
    every = occlusion_by_class(Ink(), image, ground=255)
    np.testing.assert_allclose(every[0], found)


class Padded(nn.Module):
    """A first convolution of what is not the picture's own 28x28 pixels, or padded on one side."""

    def __init__(self, side: int, pads: tuple[int, ...]) -> None:
        super().__init__()
        self.side, self.pads = side, pads
        self.convolution = nn.Conv2d(1, 2, 3)
        self.output = nn.LazyLinear(10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.reshape(-1, 1, 28, 28).float() / 255
        if self.side != 28:
            x = F.interpolate(x, (self.side, self.side))
        return self.output(self.convolution(F.pad(x, self.pads)).relu().flatten(1))


@pytest.mark.parametrize(
    ("side", "pads", "drawn"),
    [(28, (1, 1, 1, 1), True), (32, (0, 0, 0, 0), False), (28, (1, 0, 1, 0), False)],
)
def test_a_window_is_drawn_where_a_page_computes_the_same(side, pads, drawn: bool) -> None:
    model = Padded(side, pads)
    model(torch.zeros(2, 28, 28, dtype=torch.uint8))
    assert (see(model).window is not None) == drawn
