"""SIGKILL at random instants: the final weights are those of a run that was never killed.

A dozen; many, over all recipes, by `make campaign NAMES=kills` (chains of up to five kills a run).
"""

import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import forked
from fashion_cnn.run.checkpoint import published_steps
from fashion_cnn.run.folder import Run
from forked import finish

RECIPE = ["--epochs", "3", "--train-images", "1000", "--width", "8"]
RECIPE += ["--translate", "1", "--ema-decay", "0.9"]
LAST = 3 * 16  # steps
FILES = ("model.safetensors", "optimizer.safetensors")


def start(data: Path, run: Path, *words: str) -> BaseProcess:
    where = ("--output", str(run), "--data-dir", str(data), "--threads", "1")
    return forked.start("train", *words, *where)


def outcome(run: Path) -> tuple[list[bytes], list[list[str]]]:
    weights = [(run / "checkpoints" / n / f).read_bytes() for n in ("best", "final") for f in FILES]
    weights.append((run / "film.safetensors").read_bytes())
    history = [line.split(",")[:7] for line in (run / "history.csv").read_text().splitlines()]
    return weights, history


def kill_and_resume(data: Path, base: Path, kills: int, seed: int) -> int:
    """Kill runs until `kills` have hit, in chains of one to five; returns the hits."""
    straight = base / "straight"
    finish(start(data, straight, *RECIPE))
    wanted = outcome(straight)
    training = sum(record.seconds for record in Run(straight).history)
    draw, hits, number, places = random.Random(seed), 0, 0, set()
    while hits < kills:
        run = base / f"run-{number}"
        number += 1
        for _ in range(draw.randint(1, 5)):
            begun, events = (run / "recipe.json").exists(), len(Run(run).events())
            process = start(data, run, *(["--resume"] if begun else RECIPE))
            # Most kills are to hit what comes after start-up.
            place = draw.random()
            while place > 0.2 and process.is_alive() and len(Run(run).events()) == events:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, training if place < 0.8 else 3 * training))
            process.kill()
            process.join()
            hits += process.exitcode == -9
            places |= set(published_steps(run / "checkpoints")[:1])
        words = ["--resume"] if (run / "recipe.json").exists() else RECIPE
        finish(start(data, run, *words))
        assert outcome(run) == wanted, run
    assert places & set(range(1, LAST)), f"no kill hit training: {places}"
    return hits


def test_a_dozen_kills(few_data: Path, tmp_path: Path) -> None:
    assert kill_and_resume(few_data, tmp_path, kills=12, seed=1) >= 12
