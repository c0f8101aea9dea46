"""The assignment in PyTorch: train SimpleCNN for 50 epochs; every deliverable in results/.

python3 fashion_mnist_pytorch.py [--epochs 2] [--resume] [--help]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # works without installing

from fashion_cnn.__main__ import run_script

if __name__ == "__main__":
    run_script(__doc__, ["train", "baseline", "--framework", "pytorch"], output="results")
