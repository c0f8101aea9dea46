"""What `benchmark infer` makes of times, by a clock of its own; test_export.py runs the command."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fashion_cnn import benchmark as module

IMAGES = 1000


class Timed:
    """Takes so many milliseconds for a call and for each of its images, ten times that at first."""

    def __init__(self, clock: list[float], call: float, image: float) -> None:
        self.clock, self.call, self.image, self.calls = clock, call, image, 0
        self.facts = {"measured": {"accuracy": 0.9, "split": "test"}}
        self.size = 7

    def logits(self, images: np.ndarray) -> np.ndarray:
        self.calls += 1
        batches = sum(-(-IMAGES // size) for size in module._BATCHES)
        cold = 10 if self.calls <= module._SINGLES + batches else 1
        self.clock[0] += cold * (self.call + self.image * len(images)) / 1000
        return np.zeros((len(images), 10), np.float32)


@pytest.fixture
def result(monkeypatch) -> dict:
    clock = [0.0]
    forms = {
        "pytorch": Timed(clock, 4.0, 1.0),
        "run": Timed(clock, 1.0, 0.5),
        "int8.onnx": Timed(clock, 1.0, 4.0),
    }
    there = [
        SimpleNamespace(is_file=lambda: True, name=name) for name in ("model.onnx", "int8.onnx")
    ]
    split = SimpleNamespace(images=np.zeros((IMAGES, 28, 28), np.uint8))
    data = SimpleNamespace(open=lambda folder: SimpleNamespace(training=lambda: split))
    run = SimpleNamespace(
        path=Path("run"),
        checkpoints=SimpleNamespace(
            load=lambda name: SimpleNamespace(model={"a": np.zeros(3, np.float32)})
        ),
        recipe=SimpleNamespace(to_dict=lambda: {"name": "mine"}),
    )
    for name, stand_in in {
        "time": SimpleNamespace(perf_counter=lambda: clock[0]),
        "DataSet": data,
        "ExportFiles": SimpleNamespace(
            of=lambda run: SimpleNamespace(model=there[0], int8=there[1])
        ),
        "configure": lambda *words, **how: "cpu",
        "describe": lambda device: {"threads": 2, "device_name": "some"},
        "answering_checkpoint": lambda run: "best",
        "open_model": lambda path, threads: forms[path.name],
        "open_classifier": lambda run, name, device: forms["pytorch"],
    }.items():
        monkeypatch.setattr(module, name, stand_in)
    return module.benchmark_inference(run, Path("data"), 3, None)  # type: ignore[arg-type]


def test_rates_are_images_over_the_time_that_passed_without_the_first_round(result: dict) -> None:
    """1,000 images in 4 batches of up to 256, for instance 4 x 4 + 1000 x 1 milliseconds."""
    forms = result["forms"]
    wanted = {"pytorch": 1000 / 1.016, "onnx": 1000 / 0.504, "int8": 1000 / 4.004}
    for name, rate in wanted.items():
        assert forms[name]["images_per_second"] == pytest.approx(rate)
        assert forms[name]["best_batch"] == 256
        assert result["throughput_to_pytorch"][name] == pytest.approx(rate / wanted["pytorch"])
    singles = {name: form["single_p50_ms"] for name, form in forms.items()}
    assert singles == pytest.approx({"pytorch": 5.0, "onnx": 1.5, "int8": 5.0})
    assert {len(times) for form in forms.values() for times in form["rounds"].values()} == {3}
    assert forms["pytorch"]["rounds"]["64"][0] == pytest.approx(1000 / 1.064)
    assert (forms["pytorch"]["bytes"], forms["onnx"]["bytes"]) == (12, 7)


def test_the_lines_say_what_was_measured(result: dict) -> None:
    _, pytorch, onnx, _, last = module.to_text(result).splitlines()
    assert pytorch.split() == [
        "pytorch",
        "0.00",
        "MB",
        "90.00%",
        "5.000",
        "ms",
        "984",
        "256",
        "1.00x",
    ]
    assert onnx.split()[-4:] == ["ms", "1,984", "256", "2.02x"]
    assert last == "medians of 3 rounds, 2 threads, some; accuracy on the test images"
