"""A network of one's own: `fashion-cnn train fast --model examples/my_net.py:MyNet`."""

from torch import Tensor, nn


class MyNet(nn.Module):
    """Four convolutions with batch norm and GELU; (N, 1, 28, 28) to (N, classes) logits."""

    def __init__(self, classes: int, width: int = 32, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for number, filters in enumerate((width, width, 2 * width, 4 * width)):
            stride = 1 if number == 0 else 2
            layers += [nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(filters), nn.GELU()]
            channels = filters
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Score images."""
        return self.output(self.dropout(self.features(x)))
