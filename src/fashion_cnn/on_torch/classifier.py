"""PyTorch models as classifiers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fashion_cnn.classifier import check_images
from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.model import build_model, to_device
from fashion_cnn.on_torch.own_network import OwnCNN
from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.recipes.networks import own_network, timm_name
from fashion_cnn.run.checkpoint import Arrays, check_layout
from fashion_cnn.run.dataset import class_names_of
from fashion_cnn.run.folder import Run

BATCH = 256  # a few MB of activations, which a core's cache holds


class TorchClassifier:
    """A `fashion_cnn.classifier.Classifier` on a PyTorch model."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        """Args: model: uint8 (N, 28, 28) in, logits out; device: where it is."""
        self._model = model
        self._device = device

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode; of somebody's own what their code makes."""
        self._model.eval()
        if not isinstance(self._model, OwnCNN):
            return self._model
        for module in self._model.network.modules():
            counts = isinstance(module, _BatchNorm) and module.track_running_stats
            if counts and module.num_batches_tracked is None:
                module.num_batches_tracked = torch.tensor(0)  # a strict load_state_dict needs it
        return self._model.network

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images; see `Classifier.logits`."""
        check_images(images)
        tensor = torch.from_numpy(np.array(images)).to(self._device)
        return predict(self._model, tensor).cpu().numpy()

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the last fully connected layer sees: uint8 (N, 28, 28) to float32 (N, F).

        The last one is that which computes last, wherever it was defined.

        Raises:
            UsageError: wrong images, or the network has no such layer, or it does not see an image
                a row.
        """
        latest: list[Tensor] = []
        seen: list[Tensor] = []

        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            latest[:] = inputs[:1]

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.extend(latest)
            latest.clear()

        layers = [module for module in self._model.modules() if isinstance(module, nn.Linear)]
        hooks = [layer.register_forward_pre_hook(note) for layer in layers]
        hooks.append(self._model.register_forward_hook(keep))
        try:
            self.logits(images)
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            raise UsageError("the network has no fully connected layer, so no features before it")
        found = torch.cat(seen).flatten(1)
        if len(found) != len(images):
            raise UsageError("the network's last fully connected layer does not see an image a row")
        return found.float().cpu().numpy()


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Score images without dropout or gradients: (N, 28, 28) uint8 to (N, C) float32."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(part) for part in images.split(BATCH)])
    finally:
        model.train(training)


def open_classifier(
    run: Run, checkpoint: str | None = None, device: torch.device | None = None
) -> TorchClassifier:
    """Rebuild a run's model and load a checkpoint's weights.

    Args:
        run: a run of any framework.
        checkpoint: "best", "final" or "step-XXXXXXXX"; None for the one that answers.
        device: the CPU without one.

    Raises:
        CheckpointError: it is missing or damaged, or not of the recipe's model.
    """
    device = device or torch.device("cpu")
    return TorchClassifier(to_device(open_model(run, checkpoint), device), device)


def open_model(run: Run, checkpoint: str | None = None) -> PixelNetwork:
    """A run's network with a checkpoint's weights, on the CPU; otherwise as `open_classifier`."""
    checkpoint = checkpoint or run.answering
    recipe, classes = run.recipe, len(class_names_of(run))
    arrays = run.checkpoints.load(checkpoint).model
    if own_network(recipe.model) is None and timm_name(recipe.model) is None:
        # A recipe that was altered may name a network that no machine has room for.
        with torch.device("meta"):
            sizes = build_model(recipe, classes).state_dict()
        check_layout(arrays, {name: _alike(one) for name, one in sizes.items()}, checkpoint)
    model = build_model(recipe, classes, trained=True)
    load_weights(model, arrays, checkpoint)
    return model


def _alike(tensor: Tensor) -> NDArray[np.generic]:
    """An array of a tensor's shape and dtype that takes no room."""
    return np.broadcast_to(torch.zeros((), dtype=tensor.dtype).numpy(), tensor.shape)


def weight_arrays(model: nn.Module) -> dict[str, NDArray[np.generic]]:
    """The parameters and buffers by name, in C order, on the CPU."""
    return {
        name: np.array(tensor.detach().cpu().numpy(), order="C")
        for name, tensor in model.state_dict().items()
    }


def load_weights(model: nn.Module, arrays: Arrays, what: str) -> None:
    """Set parameters and buffers; raises `CheckpointError` unless names and shapes all fit."""
    check_layout(arrays, weight_arrays(model), what)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(torch.from_numpy(np.array(arrays[name])))
