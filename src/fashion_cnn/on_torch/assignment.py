"""The assignment's network in plain PyTorch. To change it: `fashion-cnn network > my_net.py`, edit,
`fashion-cnn train --model my_net.py:Net`.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Normalised images, float32 (N, 1, 28, 28), to logits, (N, classes)."""

    def __init__(self, classes: int, width: int = 32, dropout: float = 0.4) -> None:
        """Make the layers; --width and --dropout reach those parameters that are here."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.hidden = nn.Linear(4 * width * 3 * 3, 128)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Score images; without a softmax, which the loss has."""
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.max_pool2d(F.relu(conv(x)), 2)
        x = F.relu(self.hidden(x.flatten(1)))
        return self.output(self.dropout(x))
