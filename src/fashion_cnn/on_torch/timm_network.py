"""timm's networks: greyscale in, enlarged inside; and the weights that timm's hub has for them."""

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.on_torch.ranks import Dropout
from fashion_cnn.recipes.fields import nearest

_FILE = "model.safetensors"


class TimmCNN(PixelNetwork):
    """A network of timm's without its classifier, and a linear layer of our own.

    It sees a grey picture as its pretrained weights saw one: three equal channels, normalised by
    the means and deviations that they were trained with.
    """

    def __init__(self, name: str, dropout: float, side: int, classes: int) -> None:
        """Make the layers, at timm's random start.

        Args:
            name: what timm calls it, for instance "mobilenetv2_100".
            dropout: share of the pooled features dropped while training.
            side: pixels; images are enlarged to this by bilinear interpolation.
            classes: logits.
        """
        # A tag says which weights; what is built is the same.
        network = _timm().create_model(name, pretrained=False, num_classes=0)
        config = network.pretrained_cfg
        mean, std = (torch.tensor(config[part]).view(-1, 1, 1) for part in ("mean", "std"))
        super().__init__(mean, std)
        self.network = network
        named = config.get("classifier") or "classifier"
        self._classifiers = (named,) if isinstance(named, str) else tuple(named)
        self._side = side
        for module in self.network.modules():
            if hasattr(module, "num_batches_tracked"):
                module.num_batches_tracked = None  # only an average over all steps would need it
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(self.network.head_hidden_size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Score images: (N, 28, 28) uint8 to (N, C) float32 logits."""
        x = images.reshape(-1, 1, 28, 28) / 255
        x = F.interpolate(x, (self._side, self._side), mode="bilinear")
        x = self.normalised(x).contiguous(memory_format=torch.channels_last)
        return self.output(self.dropout(self.network(x)))

    def our_names(
        self, arrays: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """Give the tensors of a file of timm's the names that they have here.

        Args: arrays: by timm's names, or by ours, which are left as they are.
        """
        if {"mean", "std"} <= arrays.keys():
            return dict(arrays)
        found = {"mean": self.mean.numpy(), "std": self.std.numpy()}
        for name, array in arrays.items():
            if head := next((one for one in self._classifiers if name.startswith(f"{one}.")), ""):
                # Of several heads, each for features of its own, none fits.
                if len(self._classifiers) == 1:
                    found[name.replace(head, "output", 1)] = array
            elif not name.endswith("num_batches_tracked"):
                found[f"network.{name}"] = array
        return found


def check_network(name: str, side: int) -> None:
    """Raise `UsageError` unless timm has a network of that name, which takes images of `side`."""
    timm = _timm()
    plain = name.partition(".")[0]
    if not timm.is_model(plain):
        raise UsageError(f"timm has no network {plain!r}{nearest(plain, timm.list_models())}")
    known = [known for known in timm.list_pretrained() if known.startswith(f"{plain}.")]
    if plain != name and name not in known:
        raise UsageError(
            f"timm has no weights {name!r}{nearest(name, known)}; leave out what follows the dot "
            "for its default"
        )
    config = timm.get_pretrained_cfg(name)
    if config and config.fixed_input_size and config.input_size[-1] != side:
        raise UsageError(
            f"input_side is {side}; for {name} it must be {config.input_size[-1]}, all it takes"
        )


def hub_file(name: str) -> Path:
    """The file of a network's pretrained weights: out of the hub's cache, or fetched into it.

    Raises:
        ModelError: timm has none for it, or the hub cannot be reached.
    """
    import huggingface_hub

    config = _timm().get_pretrained_cfg(name)
    ways = "name it with --init-from FILE, or start at random with --no-pretrained"
    if config is None or not config.hf_hub_id:
        raise ModelError(f"timm has no pretrained weights for {name}; if you have a file, {ways}")
    repository = config.hf_hub_id
    cached = huggingface_hub.try_to_load_from_cache(repository, _FILE)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(huggingface_hub.hf_hub_download(repository, _FILE))
    except (OSError, huggingface_hub.errors.HTTPError) as error:  # the second: a proxy's refusal
        reason = str(error).strip().partition(". ")[0]
        raise ModelError(
            f"the pretrained weights of {name} cannot be had ({reason}); where there is a network, "
            f"fetch {_FILE} of {repository} from huggingface.co and {ways}"
        ) from None


@functools.cache
def _timm() -> ModuleType:
    """Import timm, and with it torchvision, of which it needs one small class.

    torchvision's usual wheel is built against PyTorch with CUDA. Beside a PyTorch without, its own
    library does not load, and its import fails over two operators that the library would have
    declared. Declared without a body they can be described, and nobody here calls them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to load image Python extension")
        try:
            import timm
        except RuntimeError as error:
            if "torchvision::nms" not in str(error):
                raise
            _declare_operators()
            import timm
    return timm


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)


_DECLARED: list[torch.library.Library] = []
"""A declaration lasts as long as its library."""
