"""The losses of five steps of each recipe: a change that is to change no number changes none."""

from pathlib import Path

import pytest

from conftest import make_split
from fashion_cnn.data.split import divide
from fashion_cnn.frameworks import Hardware, open_framework
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes import catalog
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress

# Means over the epoch so far. In float32 and with a small learning rate, so that CPUs of any kind
# come as near as they must: where Adam makes a whole step of a gradient that is nearly nothing, it
# makes one of rounding. (SSE, AVX and AVX2, one thread and two, were within 1e-6 of each other.)
PYTORCH = {
    "baseline": [2.307902, 2.301753, 2.300561, 2.302944, 2.302225],
    "fast": [2.321179, 2.295063, 2.306280, 2.286325, 2.299976],
    "fast93": [2.321179, 2.295063, 2.306280, 2.286325, 2.299976],  # it differs in what is set below
    "fast94": [2.324707, 2.357535, 2.393292, 2.375981, 2.370439],
    "balanced": [2.333469, 2.366914, 2.405552, 2.381508, 2.377871],
    "best": [2.708344, 2.643188, 2.577912, 2.526756, 2.558774],
    "photo": [2.242592, 2.309198, 2.345275, 2.320509, 2.328139],
}
KERAS = {"baseline": [2.297602, 2.297458, 2.297952, 2.303265, 2.303748]}
PINNED = [("pytorch", *pair) for pair in PYTORCH.items()]
PINNED += [("keras", *pair) for pair in KERAS.items()]


class Noted(Progress):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.losses: list[float] = []

    def step(self, step: int, loss: float, accuracy: float) -> None:
        self.losses.append(loss)


def test_every_recipe_is_pinned() -> None:
    assert PYTORCH.keys() == catalog.RECIPES.keys()


@pytest.mark.parametrize(("framework", "name", "losses"), PINNED)
def test_five_steps(tmp_path: Path, framework: str, name: str, losses: list[float]) -> None:
    small = {"width": 8, "epochs": 1, "batch_size": 48, "learning_rate": 1e-4}
    recipe = catalog.named(name).replace(precision="float32", **small)
    data, noted = divide(make_split(300), validation=0.2, seed=0), Noted()
    with open_framework(Hardware("cpu", framework=framework)) as opened:
        opened.train(recipe, data, Run(tmp_path), Interruption(), noted)
    assert noted.losses == pytest.approx(losses, rel=1e-5)
