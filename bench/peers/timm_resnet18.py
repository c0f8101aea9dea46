"""timm's train.py with its defaults but for one epoch of warm-up, on pictures of 28 pixels.

`$TIMM_TRAIN` names that script, which timm's wheel does not hold. The best epoch on the validation
images answers.
"""

import csv
import os
import subprocess
import sys
import time

import numpy as np
import operators  # measuring
import timm
import torch
from measuring import DATA, EPOCHS, OUTPUT, answered, epoch_ended

# A person types this; the rest reads what it leaves.
COMMAND = f"""
{os.environ["TIMM_TRAIN"]} --data-dir {DATA}/pictures --train-split train --val-split val
--model resnet18 --num-classes 10 --input-size 3 28 28
--epochs {EPOCHS} --warmup-epochs 1 --device cpu --no-prefetcher --output {OUTPUT} --experiment run
"""
paths = {**os.environ, "PYTHONPATH": sys.path[0]}
summary, seen = OUTPUT / "run/summary.csv", 0
RUN = """
import operators, runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
process = subprocess.Popen([sys.executable, "-c", RUN, *COMMAND.split()], env=paths)
while process.poll() is None:
    time.sleep(0.2)
    rows = list(csv.DictReader(summary.open())) if summary.exists() else []
    for row in rows[seen:]:
        epoch_ended(float(row["eval_top1"]) / 100)
    seen = len(rows)
model = timm.create_model(
    "resnet18", num_classes=10, checkpoint_path=str(OUTPUT / "run/model_best.pth.tar")
)
test = torch.from_numpy(np.load(DATA / "arrays.npz")["test_images"]).float().div(255)
mean, std = (torch.tensor(model.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
model.eval()
with torch.inference_mode():
    answers = torch.cat(
        [
            model((batch[:, None].expand(-1, 3, -1, -1) - mean) / std).argmax(1)
            for batch in test.split(500)
        ]
    )
answered(answers)
