"""A network of somebody's own in PyTorch: checked once on a sample, and wrapped to take pixels."""

import copy
from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.on_torch.ranks import BatchNorm, Dropout
from fashion_cnn.on_torch.timm_network import TimmCNN
from fashion_cnn.process import launch
from fashion_cnn.recipes.own_network import (
    FAILURES,
    Source,
    allowed,
    answer_in_training,
    check_answers,
    check_no_own_step,
    near,
    sample,
)
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.text import first_line

_COUNT = "num_batches_tracked"
_OTHER_SEED = 9_973  # what was drawn and is not in the state shows by it

_OF_BUFFERS = {torch.float16, torch.float32, torch.float64, torch.bool, torch.uint8, torch.int8}
_OF_BUFFERS |= {torch.int16, torch.int32, torch.int64}


class OwnCNN(PixelNetwork):
    """A network that takes float32 (N, 1, 28, 28), normalised, behind the normalisation."""

    def __init__(self, network: nn.Module, memory_format: torch.memory_format) -> None:
        """Args: network: gives logits, (N, C). memory_format: what it can be computed in."""
        super().__init__()
        self.network = network
        self.memory_format = memory_format

    def forward(self, images: Tensor) -> Tensor:
        """Score images: (N, 28, 28) uint8 to (N, C) float32 logits."""
        x = self.normalised(images.reshape(-1, 1, 28, 28) / 255)
        if self.convolve_in == torch.float32:
            return self.network(x).float()
        with torch.autocast(x.device.type, self.convolve_in):
            return self.network(x).float()

    def our_names(
        self, arrays: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """Give the tensors of a plain file of the network's the names that they have here.

        Args: arrays: by the network's own names, or by ours, which are left as they are.
        """
        if arrays.keys() <= self.state_dict().keys():
            return dict(arrays)
        found = {"mean": self.mean.numpy(), "std": self.std.numpy()}
        kept = self.network.state_dict()
        own = {n: a for n, a in arrays.items() if n in kept or not n.endswith(_COUNT)}
        # Of what the network has under several names, safetensors keeps one.
        shared = {_place(kept[name]): array for name, array in own.items() if name in kept}
        for name in kept.keys() - own.keys():
            if _place(kept[name]) in shared:
                own[name] = shared[_place(kept[name])]
        return found | {f"network.{name}": array for name, array in own.items()}


def _place(tensor: Tensor) -> tuple[object, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def build_own(recipe: Recipe, classes: int, *, trained: bool = False) -> OwnCNN:
    """Make the network that a recipe names, from PyTorch's global generator.

    Args: trained: it was tried out when it began to train, and is not again.

    Raises:
        UsageError: its code may not be run, or fails, or makes what cannot be trained here.
    """
    source = allowed(recipe)
    twin = None if trained else _twin(source, recipe, classes)
    network = source.make(recipe, classes)
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"{source.name} in {source.file} gives a {type(network).__name__}, not an nn.Module"
        )
    check_no_own_step(network, ("training_step", "configure_optimizers"), source)
    elsewhere = {str(p.device) for p in [*network.parameters(), *network.buffers()]} - {"cpu"}
    if elsewhere:
        raise UsageError(
            f"{source.name} in {source.file} puts its parameters on {', '.join(elsewhere)}; leave "
            "them on the CPU, --device moves them"
        )
    _check_types(network, source)
    _check_answers(network, source, classes)
    memory_format = _lay_out(network)
    if not any(p.requires_grad for p in network.parameters()):
        raise UsageError(f"{source.name} in {source.file} has no parameters to learn")
    if recipe.freeze and not any(
        p.requires_grad for name, p in network.named_parameters() if name.startswith("output.")
    ):
        raise UsageError(
            f"freeze is {recipe.freeze}, but {source.name} has no last layer that is called "
            "`output` and learns; name it so, or leave freeze out"
        )
    if twin is not None:
        _check_training(network, source, classes)
        _check_made_again(network, twin, source)
    for module in network.modules():
        _fit_in(module, source)
    return OwnCNN(network, memory_format)


def _check_types(network: nn.Module, source: Source) -> None:
    """Raise `UsageError` unless the optimiser, and the files of a checkpoint, take every tensor."""
    parameters = dict(network.named_parameters())
    for name, value in {**network.state_dict(), **parameters}.items():
        found = getattr(value, "dtype", type(value).__name__)
        if found not in ({torch.float32} if name in parameters else _OF_BUFFERS):
            raise UsageError(
                f"{name} of {source.name} in {source.file} is of {found}; leave parameters in "
                "float32 (--precision mixed uses bfloat16), and the rest in a type that NumPy has"
            )
        if not (is_lazy(value) or value.isfinite().all()):
            raise UsageError(
                f"{name} of {source.name} in {source.file} is not finite, which no checkpoint "
                "may be; to mask by it, take a large number such as -1e9, or persistent=False"
            )


def _check_answers(network: nn.Module, source: Source, classes: int) -> None:
    """Call the network on a few images, without training it; lazy layers take their shapes so."""

    def answer(images: NDArray[np.float32]) -> NDArray[np.generic]:
        logits = network(torch.tensor(images))  # a copy: it may normalise its input in place
        if not isinstance(logits, Tensor) or not logits.is_floating_point():
            what = getattr(logits, "dtype", type(logits).__name__)
            raise UsageError(f"{source.name} gives {what}, not one tensor of logits")
        return logits.float().numpy()

    network.eval()
    with torch.no_grad():
        check_answers(answer, sample(1, 28, 28), classes, source)
    network.train()


def _lay_out(network: nn.Module) -> torch.memory_format:
    """Put the tensors into the layout that convolutions are fastest in, if it learns in it.

    A `view` behind a convolution fails in that layout, and a tensor of five axes cannot have it.
    """
    before, found = copy.deepcopy(network.state_dict()), torch.channels_last
    with torch.random.fork_rng(devices=()), torch.enable_grad():
        try:
            network.to(memory_format=found)  # pyright: ignore[reportCallIssue]
            for training in (False, True):
                network.train(training)
                logits = network(_sample())
                if logits.requires_grad:
                    logits.sum().backward()
        except FAILURES:
            found = torch.contiguous_format
            network.to(memory_format=found)  # pyright: ignore[reportCallIssue]
    network.zero_grad(set_to_none=True)
    network.train()
    network.load_state_dict(before)
    return found


def _check_training(network: nn.Module, source: Source, classes: int) -> None:
    """Call the network once as in training; it stays as it was."""
    before = copy.deepcopy(network.state_dict())
    network.train()
    with torch.random.fork_rng(devices=()), torch.enable_grad():
        logits = answer_in_training(network, _sample(), classes, source)
        if not logits.requires_grad:
            raise UsageError(
                f"what {source.name} answers depends on no parameter that learns: is there a "
                "detach, or is all that it uses frozen?"
            )
        try:
            logits.sum().backward()
        except FAILURES as error:
            raise UsageError(
                f"{source.name} answers, but cannot learn from it: {source.describe(error)}"
            ) from error
    network.zero_grad(set_to_none=True)
    network.load_state_dict(before)


def _check_modes(network: nn.Module, source: Source) -> None:
    """Put a network into evaluation; raise `UsageError` where that does something else."""
    try:
        network.eval()
    except FAILURES as error:
        why = source.describe(error)
    else:
        if not network.training:
            return
        why = "it stays in training"
    raise UsageError(
        f"{source.name} cannot be put into evaluation ({why}): PyTorch calls `train` and `eval` of "
        "a network for that; give methods of its own other names"
    )


def _twin(source: Source, recipe: Recipe, classes: int) -> nn.Module:
    """Another network of the code, drawn otherwise; no generator is left as if it had been made."""
    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.default_generator.manual_seed(_OTHER_SEED)
        twin = source.make(recipe, classes)
        if isinstance(twin, nn.Module):
            _check_modes(twin, source)
            # Lazy layers take their shapes; what fails is told of the other.
            with suppress(*FAILURES):
                twin(_sample())
        return twin


def _check_made_again(network: nn.Module, twin: nn.Module, source: Source) -> None:
    """Raise `UsageError` unless another one with the same state gives the same answers.

    Evaluation, export and resuming make the network anew and know nothing but its state.
    """
    with torch.no_grad():
        try:
            twin.load_state_dict(network.state_dict())
            network.eval()
            answers = [one(_sample()).float().numpy() for one in (network, twin)]
        except FAILURES as error:
            raise UsageError(
                f"{source.name} cannot be made again: {source.describe(error)}"
            ) from error
    network.train()
    if not near(*answers):
        raise UsageError(
            f"{source.name}, made again with the same state, answers otherwise: some of its layers "
            "or tensors are not registered; put layers into an nn.ModuleList, and tensors into "
            "nn.Parameter or register_buffer"
        )


def _sample() -> Tensor:
    return torch.from_numpy(sample(1, 28, 28))


def check_lone_image(model: nn.Module, recipe: Recipe, images: int) -> None:
    """Raise `UsageError` if a network cannot learn from one image and the last batch has only that.

    Batch norm behind a linear layer has no variance then, and would end the training in its midst.

    Args: images: to train on.
    """
    if (images - 1) % recipe.batch_size or not isinstance(model, OwnCNN | TimmCNN):
        return
    before = copy.deepcopy(model.state_dict())
    with torch.random.fork_rng(devices=()), torch.no_grad():
        try:
            model.train()(torch.zeros(1, 28, 28, dtype=torch.uint8))
            model.load_state_dict(before)
        except FAILURES as error:
            own = isinstance(model, OwnCNN)
            said = allowed(recipe).describe(error) if own else first_line(error)
            raise UsageError(
                f"of {images:,} images in batches of {recipe.batch_size} the last batch has one, "
                f"which {recipe.model} cannot learn from; choose another --batch-size: {said}"
            ) from error


def _fit_in(module: nn.Module, source: Source) -> None:
    """Leave out a count that nothing needs; let batch norm and dropout act over all ranks."""
    if isinstance(module, _BatchNorm) and module.momentum is not None:
        module.num_batches_tracked = None  # only an average over all steps would need it
    if launch.ranks() == 1:
        return
    if type(module) is nn.BatchNorm2d and module.momentum is not None and module.affine:
        module.__class__ = BatchNorm
    elif type(module) is nn.Dropout:
        module.__class__ = Dropout
    elif isinstance(module, _DropoutNd):
        raise UsageError(
            f"{source.name} has a {type(module).__name__}, which every rank would draw alike; use "
            "Dropout, or leave torchrun out"
        )
    elif isinstance(module, _BatchNorm):
        raise UsageError(
            f"{source.name} has a {type(module).__name__}, which would see a rank's share of a "
            "batch alone; use BatchNorm2d or GroupNorm, or leave torchrun out"
        )
