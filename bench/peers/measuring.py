"""What a peer's script tells the measurement, in the folder that `$PEER_OUTPUT` names.

Lines that use this module do not count as lines that a person writes.
"""

import os
import time
from pathlib import Path

import numpy as np

OUTPUT = Path(os.environ["PEER_OUTPUT"])
DATA = Path(os.environ["PEER_DATA"])
EPOCHS = int(os.environ["PEER_EPOCHS"])
STARTED = float(os.environ["PEER_STARTED"])


def epoch_ended(accuracy: float) -> None:
    """Note the validation accuracy (0 to 1) after an epoch, and when that was."""
    with (OUTPUT / "validation.csv").open("a") as file:
        file.write(f"{time.time() - STARTED:.1f},{accuracy:.4f}\n")


def answered(labels: object) -> None:
    """Note the answers to the 10,000 test images, as class numbers."""
    np.save(OUTPUT / "answers.npy", np.asarray(labels, np.int64))
