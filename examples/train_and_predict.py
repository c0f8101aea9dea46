"""Train a recipe from Python, open the run, and ask the classifier.

python3 examples/train_and_predict.py [RUN_FOLDER]
"""

import sys
from pathlib import Path

import fashion_cnn as fc


def main(folder: Path) -> None:
    """Train briefly on 2,000 images unless `folder` holds a run; then classify ten images."""
    if folder.exists():
        run = fc.Run.open(folder)
    else:
        run = fc.train("baseline", folder, epochs=2, train_images=2000, flip=True)
        print(f"{run.metrics.status}: {run.metrics.shown.accuracy:.1%} of the test images")
    for record in run.history:
        print(f"epoch {record.epoch}: validation loss {record.val_loss:.3f}")

    held_out = run.validation()  # the test set is for `evaluate` alone
    answers = run.classifier().predict(held_out.images[:10])
    for truth, guess in zip(held_out.labels, answers.labels, strict=False):
        print(f"{run.class_names[truth]:<12} taken for {guess}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
