"""Ultralytics, as its page on Fashion-MNIST does it, the network from nothing.

The weights that the page starts from could not be downloaded here. The best epoch on the
validation images answers.
"""

import numpy as np
import operators  # measuring
from measuring import DATA, EPOCHS, OUTPUT, answered, epoch_ended
from ultralytics import YOLO

model = YOLO("yolo26n-cls.yaml")
model.add_callback(  # measuring
    "on_fit_epoch_end",  # measuring
    lambda trainer: epoch_ended(trainer.metrics["metrics/accuracy_top1"]),  # measuring
)  # measuring
model.train(data=str(DATA / "pictures"), epochs=EPOCHS, imgsz=28, project=str(OUTPUT))
test = [
    np.repeat(picture[..., None], 3, axis=2)
    for picture in np.load(DATA / "arrays.npz")["test_images"]
]
answers = [
    int(model.names[result.probs.top1][0])
    for result in model.predict(test, imgsz=28, verbose=False)
]
answered(answers)
