# /// script
# requires-python = ">=3.11"
# dependencies = ["fashion-cnn[train]"]
#
# [tool.uv.sources]
# fashion-cnn = { path = ".." }
# ///
"""Train a model and answer a picture with it, in an environment that uv makes: no installation.

uv run examples/uv_script.py [PICTURE]

Copied elsewhere, name the package by its address or clone in place of the two lines of
`tool.uv.sources`.
"""

import sys
from pathlib import Path

import fashion_cnn as fc

RUN = Path("runs/uv-script")


def main(picture: str | Path) -> None:
    """Train `fast` unless that was done before, export it, and say what is on the picture."""
    run = fc.Run.open(RUN) if RUN.exists() else fc.train("fast", RUN)
    print(f"{run.metrics.shown.accuracy:.1%} of the {run.metrics.shown.split} images")
    fc.export(run)
    answer = fc.predict(picture, model=run)
    assert isinstance(answer, fc.Prediction)  # a list for a list
    print(f"{picture}: {answer.label}, {answer.probability:.0%}")


if __name__ == "__main__":
    boot = Path(fc.__file__).parent / "shipping/page/samples/9-ankle-boot.png"
    main(sys.argv[1] if len(sys.argv) > 1 else boot)
