"""The exported file in other programs than ONNX Runtime: the same logits for any batch."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.on_torch import timm_network
from fashion_cnn.on_torch.classifier import TorchClassifier
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.shipping.ensemble import Ensemble
from fashion_cnn.shipping.graph import OPSET, complete, complete_ensemble
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import FOR_PHOTOS, PRETRAINED
from test_export import CALIBRATION, FACTS, random_model

Logits = Callable[[np.ndarray], np.ndarray]


def in_opencv(model: onnx.ModelProto) -> Logits:
    import cv2

    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))

    def logits(images: np.ndarray) -> np.ndarray:
        network.setInput(images)
        return network.forward("logits")

    return logits


def in_openvino(model: onnx.ModelProto) -> Logits:
    import openvino

    core = openvino.Core()
    # Left alone it computes in bfloat16 where the CPU has units for it.
    exactly = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", exactly)
    return lambda images: compiled(images)["logits"]


def in_onnx2torch(model: onnx.ModelProto) -> Logits:
    timm_network._timm()  # it gets torchvision, which onnx2torch needs, imported anywhere
    import onnx2torch

    module = onnx2torch.convert(model)
    return lambda images: module(torch.from_numpy(images))[0].detach().numpy()


RUNTIMES = [in_opencv, in_openvino, in_onnx2torch]


@pytest.fixture(scope="module", params=["simple_cnn", "wide_resnet"])
def exported(request) -> tuple[onnx.ModelProto, Logits]:
    model = random_model(request.param)
    graph = complete(to_onnx(model, OPSET), CALIBRATION, FACTS)
    return graph, TorchClassifier(model, torch.device("cpu")).logits


@pytest.fixture(scope="module")
def several() -> tuple[onnx.ModelProto, Logits]:
    """Two networks that see the mirror images too."""
    calibration = Calibration(0.8, 1.0, None, label_smoothing=0.1)
    networks = [random_model(name) for name in ("simple_cnn", "resnet")]
    members = [(to_onnx(network, OPSET), calibration) for network in networks]
    graph = complete_ensemble(members, CALIBRATION, FACTS, mirror=True)
    classifiers = [TorchClassifier(network, torch.device("cpu")) for network in networks]
    return graph, Ensemble([(one, calibration) for one in classifiers], tta=True).logits


@pytest.fixture(params=[PRETRAINED, FOR_PHOTOS], ids=lambda path: path.stem)
def in_the_box(request) -> tuple[onnx.ModelProto, Logits]:
    return onnx.load(request.param), OnnxClassifier.open(request.param).logits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: one.__name__)
def test_the_models_in_the_box_answer_batches_alike(in_the_box, runtime) -> None:
    test_it_answers_batches_alike(in_the_box, runtime)
    operators = {node.op_type for node in in_the_box[0].graph.node}
    assert not operators & {"Unsqueeze", "GlobalMaxPool"}, "OpenCV 4 fails on them for batches"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: one.__name__)
def test_several_networks_answer_batches_alike(several, runtime) -> None:
    test_it_answers_batches_alike(several, runtime)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: one.__name__)
def test_it_answers_batches_alike(exported, runtime) -> None:
    graph, wanted = exported
    logits = runtime(graph)
    for count in (1, 5, 3):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        answer = wanted(images)
        found = logits(images)
        assert found.shape == (count, 10)
        np.testing.assert_allclose(found, answer, atol=1e-4 * np.abs(answer).max())
