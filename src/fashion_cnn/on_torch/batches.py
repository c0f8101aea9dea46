"""`Batches`: what each step of a run trains on."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.classifier import Teacher
from fashion_cnn.data.split import TrainingData, epoch_order
from fashion_cnn.on_torch.augment import augment
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.draws import mirrored_in
from fashion_cnn.training.schedule import steps_per_epoch


class Batches:
    """The batches of a run by step; each is a pure function of (seed, step)."""

    def __init__(self, data: TrainingData, recipe: Recipe, device: torch.device) -> None:
        """Move the training part to the device, whole.

        Args:
            data: its training part, their ground, and its teacher.
            recipe: its `seed`, `batch_size`, augmentation and `distill`.
            device: where to augment.
        """
        self._recipe, self._teacher = recipe, data.teacher
        self._ground = data.ground
        self._images = torch.from_numpy(data.training.images ^ np.uint8(data.ground)).to(device)
        self._labels = torch.from_numpy(data.training.labels).to(device)
        self._class_names = data.training.class_names
        self._steps = steps_per_epoch(recipe, len(data.training))
        self._epoch, self._order, self._mirrored = -1, self._labels, None

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """The augmented images, (N, 28, 28) uint8, and labels as `augment` and `taught` give."""
        epoch, batch = divmod(step, self._steps)
        if epoch != self._epoch:
            self._shuffle(epoch)
        size = self._recipe.batch_size
        chosen = self._order[batch * size : (batch + 1) * size]
        images, labels = augment(
            self._images[chosen],
            self._labels[chosen],
            self._recipe,
            step,
            None if self._mirrored is None else self._mirrored[chosen],
            self._class_names,
        )
        if self._ground:  # augmentation is for what lies on black
            images = self._ground - images
        if self._teacher:
            labels = taught(images, labels, self._teacher, self._recipe.distill)
        return images, labels

    def _shuffle(self, epoch: int) -> None:
        seed, count, device = self._recipe.seed, len(self._labels), self._labels.device
        self._epoch = epoch
        self._order = torch.from_numpy(epoch_order(count, seed, epoch)).to(device)
        if self._recipe.flip:
            self._mirrored = torch.from_numpy(mirrored_in(epoch, count, seed)).to(device)


def taught(images: Tensor, labels: Tensor, teacher: Teacher, share: float) -> Tensor:
    """Mix what a teacher sees in the very images that the network is to learn into the labels.

    Source: L. Beyer et al. 2021, arXiv 2106.05237: teacher and student see the same augmentation.

    Args:
        images: (N, 28, 28) uint8, augmented.
        labels: (N,) int64, or shares of the classes, (N, C) float32.
        share: of the teacher, 0 to 1.

    Returns:
        Shares of the classes, (N, C) float32.
    """
    answer = torch.from_numpy(teacher.probabilities(images.cpu().numpy())).to(labels.device)
    ours = labels if labels.ndim == 2 else F.one_hot(labels, answer.shape[1]).float()
    return share * answer + (1 - share) * ours
