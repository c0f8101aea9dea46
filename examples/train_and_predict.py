"""Train a recipe from Python, open the run, and ask the classifier.

python3 examples/train_and_predict.py [RUN_FOLDER]
"""

import sys
from pathlib import Path

from fashion_cnn import (
    CLASS_NAMES,
    Run,
    divide,
    find_data,
    load_training,
    named,
    open_classifier,
    train,
)


def main(folder: Path) -> None:
    """Train briefly on 2,000 images unless `folder` holds a run; then classify ten images."""
    if not Run(folder).exists():
        recipe = named("baseline").replace(epochs=2, train_images=2000, flip=True)
        outcome = train(recipe, folder)
        print(f"{outcome.status}: {outcome.metrics.shown.accuracy:.1%} of the test images")

    run = Run.open(folder)
    for record in run.history:
        print(f"epoch {record.epoch}: validation loss {record.val_loss:.3f}")

    classifier = open_classifier(run, "best")
    directory = find_data()
    assert directory is not None, "fashion-cnn data get"
    recipe = run.recipe  # its validation part: the test set is for `evaluate` alone
    data = divide(load_training(directory), validation=recipe.validation, seed=recipe.seed)
    images, labels = data.validation.images[:10], data.validation.labels[:10]
    logits = classifier.logits(images)  # (10, 10) float32
    for truth, guess in zip(labels, logits.argmax(1), strict=True):
        print(f"{CLASS_NAMES[truth]:<12} taken for {CLASS_NAMES[guess]}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
