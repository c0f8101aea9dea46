"""One case table for every classifier: PyTorch's, Keras's and ONNX's, with the same weights.

Tolerance: no logit may be further than 1e-4 from the network as the assignment writes it, in
float64; and all must name the same class.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import plain
from fashion_cnn import on_keras  # noqa: F401  # first of all that imports Keras: it keeps it quiet
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.idx import parse_idx
from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.job import Hardware, train
from fashion_cnn.on_keras.classifier import open_classifier as open_in_keras
from fashion_cnn.on_keras.classifier import open_model as open_model_in_keras
from fashion_cnn.on_keras.export import to_onnx as export_in_keras
from fashion_cnn.on_torch.classifier import open_classifier as open_in_torch
from fashion_cnn.on_torch.classifier import open_model
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import link, save
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.graph import OPSET, complete
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from finished import finished_run
from test_export import CALIBRATION, FACTS


def open_in_onnx(run: Run, checkpoint: str | None = None) -> OnnxClassifier:
    graph = to_onnx(open_model(run, checkpoint), OPSET)
    return OnnxClassifier(complete(graph, CALIBRATION, FACTS).SerializeToString())


def open_in_onnx_by_keras(run: Run, checkpoint: str | None = None) -> OnnxClassifier:
    graph = export_in_keras(open_model_in_keras(run, checkpoint), OPSET)
    return OnnxClassifier(complete(graph, CALIBRATION, FACTS).SerializeToString())


TRAINED_IN = {"pytorch": open_in_torch, "keras": open_in_keras}
OPEN = {**TRAINED_IN, "onnx": open_in_onnx, "onnx by keras": open_in_onnx_by_keras}
MOST = 1e-4


@pytest.fixture(scope="module")
def run(real_data: Path, tmp_path_factory) -> Run:
    """A network that has learned something: the logits are as large as in earnest."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    recipe = Recipe(epochs=2, train_images=3000, learning_rate=2e-3)
    hardware = Hardware(threads=2)
    return train(recipe, folder, data_dir=real_data, hardware=hardware, test=False).run


@pytest.fixture(scope="module", params=OPEN)
def classifier(request, run: Run):
    return OPEN[request.param](run)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


RIGHT = {
    "none": pictures(0),
    "one": pictures(1),
    "more than a batch": pictures(601),
    "black": np.zeros((2, 28, 28), np.uint8),
    "white": np.full((2, 28, 28), 255, np.uint8),
    "mirrored, so not contiguous": np.flip(pictures(3), axis=2),
    "transposed": pictures(4).transpose(0, 2, 1),
    "every other": pictures(9)[::2],
    "read-only": np.frombuffer(pictures(2).tobytes(), np.uint8).reshape(2, 28, 28),
}
WRONG = {
    "float": np.zeros((1, 28, 28), np.float32),
    "wider integers": np.zeros((1, 28, 28), np.int64),
    "bool": np.zeros((1, 28, 28), bool),
    "a single image": np.zeros((28, 28), np.uint8),
    "a channel": np.zeros((1, 1, 28, 28), np.uint8),
    "another size": np.zeros((1, 28, 29), np.uint8),
    "a list": [[0]],
    "nothing": None,
    "a tensor": torch.zeros(1, 28, 28, dtype=torch.uint8),
}


@pytest.mark.parametrize("name", RIGHT)
def test_images_in_logits_out(classifier, run, name: str) -> None:
    images = RIGHT[name]
    before = images.copy()
    logits = classifier.logits(images)
    assert isinstance(logits, np.ndarray)
    assert logits.dtype == np.float32
    assert logits.shape == (len(images), 10)
    wanted = plain.logits_of(run.path / "checkpoints/best", images)
    np.testing.assert_allclose(logits, wanted, atol=MOST, rtol=0)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused(classifier, name: str) -> None:
    with pytest.raises(UsageError, match="a classifier takes"):
        classifier.logits(WRONG[name])


def test_an_image_scores_alike_in_any_company(classifier) -> None:
    images = pictures(300)
    together = classifier.logits(images)
    np.testing.assert_allclose(classifier.logits(images[7:8]), together[7:8], atol=1e-5)
    np.testing.assert_array_equal(classifier.logits(images), together)


@pytest.mark.parametrize("name", TRAINED_IN)
def test_features_are_what_the_last_layer_makes_logits_of(run, name: str) -> None:
    images, opened = pictures(5), TRAINED_IN[name](run)
    features, weights = opened.features(images), run.checkpoints.load("best").model
    assert features.dtype == np.float32
    logits = features @ weights["output.weight"].T + weights["output.bias"]
    np.testing.assert_allclose(logits, opened.logits(images), atol=MOST)


@pytest.mark.parametrize("name", TRAINED_IN)
def test_without_a_word_the_checkpoint_that_answers_opens(run, tmp_path, name: str) -> None:
    shutil.copytree(run.path, tmp_path / "run", symlinks=True)
    copy = Run(tmp_path / "run")
    link(copy.path / "checkpoints", "best", 0)  # as where no epoch was better than the start
    found = TRAINED_IN[name](copy).logits(pictures(3))
    np.testing.assert_array_equal(found, TRAINED_IN[name](copy, "best").logits(pictures(3)))
    other = TRAINED_IN[name](copy, "final").logits(pictures(3))
    assert np.median(np.abs(found - other)) > MOST, "another checkpoint has other answers"


@pytest.mark.parametrize("name", TRAINED_IN)
def test_weights_of_another_network_are_refused(run, tmp_path, name: str) -> None:
    other, found = Run(tmp_path), run.checkpoints.load("best")
    other.describe(run.environment, run.split)
    for arrays in (
        {**found.model, "conv9.bias": np.zeros(1, np.float32)},
        {"mean": found.model["mean"]},
    ):
        state = {"step": len(arrays), "run": found.state["run"]}
        other.checkpoints.save(arrays, {}, state, [])
        other.record_recipe(run.recipe)
        with pytest.raises(CheckpointError, match="tensor"):
            TRAINED_IN[name](other, f"step-{len(arrays):08d}")


def test_a_network_is_not_made_before_its_weights_are_seen_to_fit(tmp_path, monkeypatch) -> None:
    """The recipe of a run that somebody sent may name one that no machine has room for."""
    run, _, _ = finished_run(tmp_path / "run", model="wide_resnet", width=200, blocks=20)
    save(run.checkpoints.folder, {}, {}, {"step": 30, "run": run.fingerprint()})
    run.checkpoints.finish(30, run.history)
    made_on = []

    def noted(*given, **words) -> nn.Module:
        made_on.append(torch.empty(0).device.type)
        return build_model(*given, **words)

    monkeypatch.setattr("fashion_cnn.on_torch.classifier.build_model", noted)
    with pytest.raises(CheckpointError, match="final lacks tensor"):
        open_model(run, "final")
    assert made_on == ["meta"]


def test_nor_is_one_in_keras(run, tmp_path, monkeypatch) -> None:
    other, found = Run(tmp_path), run.checkpoints.load("best")
    other.describe(run.environment, run.split)
    other.record_recipe(run.recipe.replace(width=65_536))
    other.checkpoints.save(found.model, {}, {"step": 1, "run": other.fingerprint()}, [])
    monkeypatch.setattr("fashion_cnn.on_keras.classifier.build_model", pytest.fail)
    with pytest.raises(
        CheckpointError, match=r"conv3.weight is .*, expected float32 \(262144, 131"
    ):
        open_in_keras(other, "step-00000001")


def test_keras_refuses_another_normalisation(run, tmp_path) -> None:
    other, found = Run(tmp_path), run.checkpoints.load("best")
    other.describe(run.environment, run.split)
    state = {"step": 1, "run": found.state["run"]}
    other.checkpoints.save({**found.model, "mean": np.array(0.5, np.float32)}, {}, state, [])
    other.record_recipe(run.recipe)
    with pytest.raises(CheckpointError, match="mean is 0.5"):
        open_in_keras(other, "step-00000001")


def test_the_frameworks_agree_on_all_test_images(run, real_data) -> None:
    """Nothing is chosen or measured here: the images are read without their labels."""
    images = parse_idx(DataSet.open(real_data).read("t10k-images-idx3-ubyte"))
    assert len(images) == 10_000
    first, *others = (open_(run).logits(images) for open_ in OPEN.values())
    assert len(others) == 3
    for other in others:
        np.testing.assert_array_equal(first.argmax(1), other.argmax(1))
        assert np.abs(first - other).max() <= MOST
    assert np.abs(first).max() > 5, "large logits: a difference would show"
