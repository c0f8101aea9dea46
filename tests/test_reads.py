"""What a run needs is read, and built, once."""

import os
from collections import Counter
from pathlib import Path

import pytest

from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist
from fashion_cnn.on_torch import state

SMALL = ["--epochs", "2", "--width", "4", "--train-images", "500", "--threads", "1"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened for reading."""
    counts: Counter[str] = Counter()
    original = os.open

    def counting(path, flags: int, *arguments, **words):
        if not flags & os.O_ACCMODE:
            counts[str(path)] += 1
        return original(path, flags, *arguments, **words)

    monkeypatch.setattr(os, "open", counting)
    return counts


def test_a_training_reads_and_builds_once(few_data, tmp_path, monkeypatch, reads) -> None:
    words = ["train", *SMALL, "--data-dir", str(few_data)]
    before, run = tmp_path / "before", tmp_path / "run"
    assert main([*words, "--output", str(before)]) == 0
    reads.clear()
    opened: Counter[str] = Counter()
    read_file = fashion_mnist.read_file

    def reading(path: Path, limit: int) -> bytes:
        opened[path.name.removesuffix(".gz")] += 1
        return read_file(path, limit)

    monkeypatch.setattr(fashion_mnist, "read_file", reading)
    built, build = [], state.build_model
    monkeypatch.setattr(state, "build_model", lambda *of: built.append(of) or build(*of))
    assert main([*words, "--init-from", str(before), "--seed", "1", "--output", str(run)]) == 0

    assert len(built) == 1
    assert reads[str(few_data / "dataset.json")] == reads[str(few_data / "classes.txt")] == 1
    assert opened == Counter(fashion_mnist.SHA256.keys()), (
        "each file of the data set once, those of the test set too"
    )
    assert reads[str(before / "checkpoints/best/model.safetensors")] == 1
    for name in ("recipe.json", "environment.json", "split.json"):
        assert reads[str(run / name)] <= 1, name
    final, best = run / "checkpoints/final", run / "checkpoints/best"
    evaluated = [reads[str(folder / "model.safetensors")] for folder in (final, best)]
    assert sum(evaluated) == len({final.resolve(), best.resolve()}), "each is opened once"
    published = list((run / "checkpoints").glob("step-*/model.safetensors"))
    assert {reads[str(file)] for file in published} == {1}, "as each is verified when it is saved"
