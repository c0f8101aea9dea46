"""An epoch as the assignment's script does it: DataLoader, PIL, an image at a time."""

import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD, DataSet
from fashion_cnn.data.split import Split
from fashion_cnn.process.machine import usable_cores
from fashion_cnn.recipes.recipe import Recipe


def hand_written_epoch(directory: Path, recipe: Recipe, threads: int | None) -> float:
    """Seconds of an epoch the way the assignment's script does it."""
    torch.set_num_threads(threads or usable_cores())
    training = DataSet.open(directory).divided(recipe).training
    model = Plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    loader = DataLoader(_PILDataset(training), batch_size=recipe.batch_size, shuffle=True)
    began = time.perf_counter()
    total, correct = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        correct += (logits.argmax(1) == labels).sum().item()
    return time.perf_counter() - began


class Plain(nn.Module):
    """The assignment's network in its own words."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1152, 128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Score images: (N, 1, 28, 28) float32, normalised, to (N, 10) float32 logits."""
        return self.layers(x)


class _PILDataset(Dataset[tuple[Tensor, int]]):
    """torchvision 0.28's FashionMNIST with Compose([ToTensor(), Normalize()]), step by step.

    torchvision itself would be a dependency for this benchmark alone.
    """

    def __init__(self, split: Split) -> None:
        self.data, self.targets = torch.from_numpy(split.images), torch.from_numpy(split.labels)
        self.transforms = (_ToTensor(), _Normalize())

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture, target = self.data[index], int(self.targets[index])
        picture = Image.fromarray(picture.numpy())
        for transform in self.transforms:
            picture = transform(picture)
        return cast(Tensor, picture), target


class _ToTensor:
    def __call__(self, picture: Any) -> Tensor:
        tensor = torch.from_numpy(np.array(picture, np.uint8, copy=True))
        tensor = tensor.view(picture.size[1], picture.size[0], len(picture.getbands()))
        return tensor.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255)


class _Normalize(nn.Module):
    def forward(self, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point() or tensor.ndim < 3:
            raise TypeError("not a float image")
        tensor = tensor.clone()
        mean = torch.as_tensor((PIXEL_MEAN,), dtype=tensor.dtype, device=tensor.device)
        std = torch.as_tensor((PIXEL_STD,), dtype=tensor.dtype, device=tensor.device)
        if (std == 0).any():
            raise ValueError("std is zero")
        return tensor.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))
