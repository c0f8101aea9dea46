"""A network of somebody's own gets all that ours get, and its code runs only if they say so."""

import importlib.util
import json
import linecache
import os
import runpy
import shlex
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.functional import max_pool2d

import fashion_cnn
from conftest import REPOSITORY
from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD
from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import CheckpointError, ExportError, UsageError
from fashion_cnn.on_torch.classifier import TorchClassifier, predict, weight_arrays
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.on_torch.layers import layers_of
from fashion_cnn.on_torch.model import SimpleCNN, build_model, to_device
from fashion_cnn.on_torch.own_network import OwnCNN
from fashion_cnn.on_torch.start import fit, take_weights
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.on_torch.train import train_step
from fashion_cnn.recipes import own_network
from fashion_cnn.recipes.own_network import given
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.summary import explain_recipe, reproduce
from fashion_cnn.run.folder import Run
from fashion_cnn.run.weights import Weights
from serving import BOOT, SAMPLES, call, running
from short import content, train

TINY = ("--epochs", "1", "--train-images", "200", "--batch-size", "50", "--name", "mine")
LONGER = ("--threads", "1", "--train-images", "1500")
EXAMPLE = f"{REPOSITORY}/examples/my_net.py:MyNet"
KERAS = f"{REPOSITORY}/examples/my_keras_net.py:my_net"
TRAINED = {
    "pytorch": ("fast", "--model", EXAMPLE, "--width", "8", "--ema-decay", "0.9", *LONGER),
    "keras": ("--model", KERAS, "--width", "8", "--framework", "keras"),
    "timm": (
        "--model",
        "timm:test_resnet",
        "--no-pretrained",
        "--input-side",
        "32",
        "--threads",
        "1",
    ),
}


@pytest.fixture(autouse=True)
def nothing_is_allowed(monkeypatch) -> None:
    monkeypatch.setattr(own_network, "_ALLOWED", {})


def recipe_of(code: str, folder: Path, name: str = "net", **fields) -> Recipe:
    (folder / "own.py").write_text(f"import torch\nfrom torch import nn\n{code}\n")
    return Recipe(**given(f"{folder}/own.py:{name}"), **fields)


@pytest.mark.parametrize("kind", TRAINED)
def test_four_commands(here: Path, capsys, monkeypatch, kind: str) -> None:
    """Train, report, export, answer; and one that has learned enough to be served is."""
    assert main(["train", *TINY, *TRAINED[kind]]) == 0
    monkeypatch.setattr(own_network, "_ALLOWED", {})  # as in another process
    assert main(["report", "runs/mine"]) == 0
    page = (here / "runs/mine/report.html").read_text()
    layers = json.loads((here / "runs/mine/layers.json").read_text())
    assert layers["parameters"] > 1000 < layers["flop"]
    assert f"{layers['parameters']:,} parameters" in page
    assert f"{layers['layers'][0]['name']}</th>" in page
    capsys.readouterr()
    if kind != "timm":
        assert main(["export", "runs/mine"]) == 2
        assert "building it runs their code" in capsys.readouterr().err
        assert not (here / "runs/mine/model.onnx").exists()
    assert main(["export", "runs/mine", "--trust-code"]) == 0
    assert "agrees with the trained model on all 600 test images" in capsys.readouterr().out
    monkeypatch.setattr(own_network, "_ALLOWED", {})
    assert main(["predict", str(SAMPLES[9]), "--model", "runs/mine"]) == 0
    assert str(SAMPLES[9].name) in capsys.readouterr().out
    if kind == "pytorch":
        with running(here / "runs/mine/model.onnx") as port:
            assert call(port, "POST", "/v1/predict", BOOT)[0] == 200


def _net(made: str, answer: str) -> str:
    return (
        "class net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        {made}\n    def forward(self, x):\n        {answer}"
    )


BAD = {
    "net = nn.Linear(784, 10)": "net is a network; name a class or function that makes it",
    "def net(): return 5": "gives a int, not an nn.Module",
    "def net(): return nn.Flatten()": r"answers 2 images with an array of \(2, 784\)",
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 9))": r"must be \(2, 10\)",
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1))": "a softmax",
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))": "log-pr",
    "def net(): return nn.Sequential(nn.Flatten(), nn.AvgPool1d(78))": "no parameters to learn",
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10, device='meta'))": "on meta",
    "def net(): return nn.Linear(784, 10)": r"fails on a batch of 2, float32 .* with any N: Run",
    "def net(): return 1 / 0": r"cannot be made: ZeroDivisionError: .*own.py, line 3",
    "def net(: pass": "cannot be made: SyntaxError",
    "def other(): pass": "has no class or function 'net'",
    "class net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.output = nn.Linear(784, 10)\n"
    "    def forward(self, x):\n"
    "        return self.output(x.view(2, 784))": "fails on a batch of 1, float32 ",
    "def net(): return nn.Sequential(nn.Flatten(), Always(), nn.Linear(784, 10))\n"
    "class Always(nn.Module):\n"
    "    def forward(self, x): return nn.functional.dropout(x)": "other answers each time",
    "class net(nn.Sequential):\n"
    "    def __init__(self):\n"
    "        super().__init__(nn.Flatten(), nn.Linear(784, 10))\n"
    "        self.calls = 0\n"
    "    def forward(self, x):\n"
    "        self.calls += 1\n"
    "        return super().forward(x) * self.calls": "other answers each time",
    "def net(): return nn.Sequential(nn.Conv2d(1, 4, 3),"
    " nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(),"
    " nn.Linear(4 * 26 * 26, 10))": "depends on the other images",
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10),"
    " nn.BatchNorm1d(10, track_running_stats=False))": "fails on a batch of 1, ",
    _net(
        "self.parts = [nn.Linear(784, 32)]; self.output = nn.Linear(32, 10)",
        "return self.output(self.parts[0](x.flatten(1)))",
    ): "are not registered; put layers into an",
    _net(
        "self.p = torch.randn(784); self.output = nn.Linear(784, 10)",
        "return self.output(x.flatten(1) * self.p)",
    ): "and tensors into nn.Parameter or register",
    _net(
        "self.output = nn.Linear(784, 10)",
        "y = self.output(x.flatten(1)); return (y, y) if self.training else y",
    ): "tuple in training",
    _net(
        "self.output = nn.Linear(784, 10)", "return self.output(x.flatten(1)).detach()"
    ): "on no parameter that learns",
    _net(
        "self.output = nn.Linear(784, 10)",
        "return self.output(x.flatten(1)) + (1 / 0 if self.training else 0)",
    ): "fails in training, on",
    "class net(nn.Sequential):\n"
    "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(784, 10))\n"
    "    def training_step(self, batch): pass": "net has a training_step of its own, which is not",
    # What ends the process must not end the command as if it were done.
    "import sys; sys.exit(0)": "cannot be made: SystemExit: 0",
    "def net(): raise SystemExit": "cannot be made: SystemExit",
    "class net(nn.Linear):\n"
    "    def __init__(self): super().__init__(784, 10)\n"
    "    def forward(self, x): raise SystemExit(0)": "fails on a batch of 2.*SystemExit: 0",
}


@pytest.mark.parametrize("code", BAD)
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, code: str) -> None:
    with pytest.raises(UsageError, match=BAD[code]):
        build_model(recipe_of(code, tmp_path), 10)


@pytest.mark.parametrize(
    ("weight", "scale", "wrong"),
    [
        (
            "bfloat16",
            "float32",
            r"1\.weight of net in .* is of torch\.bfloat16; leave parameters in",
        ),
        ("complex64", "float32", r"1\.weight of net in .* is of torch\.complex64"),
        ("float64", "float32", r"1\.weight of net in .* is of torch\.float64"),
        ("float32", "bfloat16", r"scale of net in .* is of torch\.bfloat16"),
        ("float32", "complex64", r"scale of net in .* is of torch\.complex64"),
        ("float32", "float64", ""),
    ],
)
def test_tensors_that_cannot_be_kept_are_refused_before_training(
    tmp_path: Path, weight: str, scale: str, wrong: str
) -> None:
    code = f"""
class net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 10, dtype=torch.{weight}))
        self.register_buffer("scale", torch.ones(2, dtype=torch.{scale}))
    def forward(self, x):
        return super().forward(x.to(self[1].weight.dtype)).real.float()
"""
    if wrong:
        with pytest.raises(UsageError, match=wrong):
            build_model(recipe_of(code, tmp_path), 10)
        return
    arrays = weight_arrays(build_model(recipe_of(code, tmp_path), 10))
    assert safetensors.numpy.load(safetensors.numpy.save(arrays)).keys() == arrays.keys()


def test_code_is_read_out_of_a_plain_file_of_a_size_that_can_be(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="net.py is not a plain file"):
        given(f"{file}:Net")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UsageError, match="net.py is not a plain file"):
        given(f"{file}:Net")
    file.unlink()
    file.write_bytes(b"#" * (own_network.MOST_CODE + 1))
    with pytest.raises(UsageError, match="net.py has more than 1,048,576 bytes"):
        given(f"{file}:Net")
    with pytest.raises(UsageError, match="cannot be read"):
        given("a\0.py:Net")


SETTINGS = """
class net(nn.Sequential):
    def __init__(self, classes, width):
        super().__init__(nn.Flatten(), nn.LazyLinear(width), nn.BatchNorm1d(width),
                         nn.ReLU(), nn.Linear(width, classes))
"""


def test_it_gets_the_settings_that_it_takes(tmp_path: Path) -> None:
    model = build_model(recipe_of(SETTINGS, tmp_path, width=7), 3)
    assert weight_arrays(model)["network.1.weight"].shape == (7, 784)
    assert "network.2.num_batches_tracked" not in weight_arrays(model)
    with pytest.raises(UsageError, match="dropout is 0.1, but net in .* has no parameter"):
        build_model(recipe_of(SETTINGS, tmp_path, dropout=0.1), 3)
    with pytest.raises(UsageError, match="no last layer that is called `output`"):
        build_model(recipe_of(SETTINGS, tmp_path, freeze=1, init_from="x"), 3)
    fast = recipe_of(SETTINGS, tmp_path, name="net").replace(name="fast", dropout=0.0)
    build_model(fast, 3)  # what the recipe says of ours is nothing that was asked for


def test_a_plain_file_of_its_weights_is_a_start(tmp_path: Path) -> None:
    recipe = recipe_of(SETTINGS, tmp_path, width=4)
    one, other = (build_model(recipe, 10) for _ in range(2))
    assert isinstance(one, OwnCNN)
    arrays = {name: tensor.numpy() for name, tensor in one.network.state_dict().items()}
    found = fit(other, Weights(Path("w"), "0" * 64, arrays))
    np.testing.assert_array_equal(found.arrays["network.1.weight"], arrays["1.weight"])
    with pytest.raises(CheckpointError, match="tensor"):
        fit(other, Weights(Path("w"), "0" * 64, {"1.weight": arrays["1.weight"]}))


def test_a_network_trained_elsewhere_is_judged_as_it_is(here: Path, capsys) -> None:
    (here / "own.py").write_text(
        "from torch import nn\n"
        "def net(): return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))\n"
    )
    network = runpy.run_path(str(here / "own.py"))["net"]()
    images = fashion_cnn.load_training().images[:300].copy()
    pixels = (torch.from_numpy(images)[:, None] / 255 - PIXEL_MEAN) / PIXEL_STD
    network(pixels)  # what batch norm has seen is part of what was trained
    network.eval()
    safetensors.torch.save_model(network, "weights.safetensors")

    words = ["train", "--model", "own.py:net", "--init-from", "weights.safetensors"]
    assert main([*words, "--epochs", "0", "--name", "elsewhere"]) == 0
    said = capsys.readouterr().err
    assert "or elsewhere, it may have learned images that now validate" in said
    run = fashion_cnn.Run("runs/elsewhere")
    assert run.history == []
    assert run.split["validation_seen_before"] is True
    assert (run.metrics.status, run.metrics.best, run.metrics.final.step) == ("finished", None, 0)
    with torch.no_grad():
        expected = network(pixels).numpy()
    found = run.classifier().logits(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    page = (run.path / "report.html").read_text()
    assert "it was not trained here. It may have learned before from images that validate" in page

    assert main(["export", "runs/elsewhere", "--trust-code"]) == 0
    assert main(["train", "--resume", "--epochs", "1", "--output", "runs/elsewhere"]) == 0
    assert len(run.history) == 1


def test_its_code_counts_and_not_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = (recipe_of(SETTINGS, tmp_path / folder) for folder in "ab")
    assert here != there
    assert here.fingerprint("data") == there.fingerprint("data") != Recipe().fingerprint("data")
    changed = recipe_of(SETTINGS.replace("ReLU", "GELU"), tmp_path / "b")
    assert changed.fingerprint("data") != here.fingerprint("data")


def test_resumed_it_is_as_if_never_stopped(here: Path, capsys) -> None:
    code = here / "mine.py"
    code.write_bytes((REPOSITORY / "examples/my_net.py").read_bytes())
    own = ["--model", "mine.py:MyNet", "--width", "4", "--ema-decay", "0.9", "--flip", "--no-test"]
    small = ["--train-images", "150", "--threads", "1", "--batch-size", "50"]
    assert main(["train", *own, *small, "--epochs", "2", "--name", "whole"]) == 0
    assert main(["train", *own, *small, "--epochs", "1", "--name", "parts"]) == 0
    own_network._ALLOWED.clear()
    code.write_text("raise SystemExit('this must not run')")
    resume = ["train", "--resume", "--name", "parts", "--epochs", "2"]
    advice = shlex.split(capsys.readouterr().err.split("to go on: ")[-1])
    printed = "train --resume --epochs 50 --output runs/parts --threads 1 --trust-code"
    assert advice[:-2] == ["fashion-cnn", *printed.split()]
    assert advice[-2] == "--data-dir", "the few images that $FASHION_CNN_DATA names"
    assert main(resume) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert main([*resume, "--model", "mine.py:MyNet"]) == 2
    assert "is not the code that runs/parts is trained with" in capsys.readouterr().err
    assert main(["evaluate", "runs/parts", "--model", "mine.py:MyNet"]) == 2
    assert main(["2" if word == "50" else word for word in advice[1:]]) == 0
    whole, parts = (Run(f"runs/{name}").checkpoints.load("final") for name in ("whole", "parts"))
    for name, array in whole.model.items():
        np.testing.assert_array_equal(array, parts.model[name], err_msg=name)
    assert whole.optimizer.keys() == parts.optimizer.keys()
    (here / "runs/parts/network.py").write_text("x = 1")
    own_network._ALLOWED.clear()
    assert main(["evaluate", "runs/parts", "--trust-code"]) == 2
    assert "network.py is not the code that the run was trained with" in capsys.readouterr().err


FACTOR = 2


def twice(x: torch.Tensor) -> torch.Tensor:
    return FACTOR * F.relu(x)


class Noted(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(784, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(twice(x).flatten(1))


def test_a_class_of_a_notebook_is_kept_with_all_that_it_uses(tmp_path: Path) -> None:
    fields = given(Noted)
    assert fields == given(Noted)
    code = own_network._ALLOWED[fields["model_sha256"]].code.decode()
    assert code.index("FACTOR = 2") < code.index("def twice") < code.index("class Noted")
    assert "BAD" not in code
    model = build_model(Recipe(**fields), 3)
    images = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8)
    assert predict(model, images).shape == (4, 3)
    with pytest.raises(UsageError, match="cannot be read here"):
        given(type("Made", (nn.Module,), {"__module__": __name__}))
    with pytest.raises(UsageError, match="must be a name, FILE.py:NAME, or a class"):
        given(5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="No such file"):
        given("nowhere.py:Net")
    assert given("simple_cnn") == {"model": "simple_cnn"}


def as_of_a_kernel(monkeypatch, cell: str) -> ModuleType:
    """The module that a cell of a notebook runs in: its text is kept, and it has no file."""
    place, module = "/a/kernel/of/1.py", ModuleType("a_kernel")
    monkeypatch.setitem(sys.modules, "a_kernel", module)
    monkeypatch.setitem(linecache.cache, place, (len(cell), None, cell.splitlines(True), place))
    exec(compile(cell, place, "exec"), module.__dict__)
    return module


def test_a_class_of_a_cell_is_found_where_its_methods_are(monkeypatch) -> None:
    """A cell's text is kept line by line, and its module has no file."""
    cell = (
        "from torch import nn\n\nWIDTH = 4\n\nclass Cell(nn.Module):\n"
        "    def __init__(self, classes):\n        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH),\n"
        "                                    nn.Linear(WIDTH, classes))\n"
        "    def forward(self, images):\n        return self.layers(images)\n"
    )
    recipe = Recipe(**given(as_of_a_kernel(monkeypatch, cell).Cell))
    assert build_model(recipe, 3)(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 3)


def test_what_decorates_a_class_of_a_cell_comes_with_it(monkeypatch) -> None:
    cell = (
        "from dataclasses import dataclass\nfrom torch import nn\n\n"
        "@dataclass(frozen=True)\nclass Plain:\n    width: int = 4\n\n"
        "@dataclass\nclass Config:\n    plain: Plain\n    def side(self):\n        return 784\n\n"
        "class Cell(nn.Sequential):\n"
        "    def __init__(self, classes):\n"
        "        config = Config(Plain(width=3))\n"
        "        super().__init__(nn.Flatten(), nn.Linear(config.side(), config.plain.width),\n"
        "                         nn.Linear(config.plain.width, classes))\n"
    )
    recipe = Recipe(**given(as_of_a_kernel(monkeypatch, cell).Cell))
    assert build_model(recipe, 3)(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 3)


def test_python_takes_the_class_itself(here: Path) -> None:
    small = {"epochs": 1, "train_images": 100, "threads": 1, "test": False}
    run = fashion_cnn.train("baseline", here / "mine", model=Noted, **small)
    images = np.zeros((2, 28, 28), np.uint8)
    wanted = run.classifier().logits(images)
    own_network._ALLOWED.clear()
    with pytest.raises(UsageError, match="trust_code=True"):
        fashion_cnn.Run.open(here / "mine").classifier()
    with pytest.raises(UsageError, match="was not trained with"):
        fashion_cnn.Run.open(here / "mine", model=EXAMPLE)
    for said in ({"model": Noted}, {"trust_code": True}):
        own_network._ALLOWED.clear()
        opened = fashion_cnn.Run.open(here / "mine", **said)
        np.testing.assert_array_equal(opened.classifier().logits(images), wanted)


def test_the_network_comes_back_as_it_was_given(here: Path, small_data: TrainingData) -> None:
    few = {"train_images": 100, "test": False}
    run = fashion_cnn.train("baseline", "mine", epochs=1, model=EXAMPLE, width=4, **few)
    opened, images = run.classifier(), small_data.validation.images
    pixels = torch.from_numpy(images[:, None] / np.float32(255))
    normalised = (pixels - PIXEL_MEAN) / PIXEL_STD
    with torch.no_grad():
        answered = opened.network(normalised).numpy()
    np.testing.assert_allclose(answered, opened.logits(images), atol=1e-5)
    again = runpy.run_path(EXAMPLE.removesuffix(":MyNet"))["MyNet"](10, width=4)
    again.load_state_dict(opened.network.state_dict())  # strict: no name too few or too many
    torch.testing.assert_close(again.eval()(normalised), torch.from_numpy(answered))
    words = {"framework": "keras", "model": KERAS}
    run = fashion_cnn.train("baseline", "keras", epochs=1, width=4, **words, **few)
    opened = run.classifier()
    answered = opened.network(np.moveaxis(normalised.numpy(), 1, 3), training=False)
    np.testing.assert_allclose(answered, opened.logits(images), atol=1e-4)


@pytest.mark.parametrize("framework", ["pytorch", "keras"])
def test_the_assignments_network_is_printed_to_be_edited(
    here: Path, capsys, small_data: TrainingData, framework: str
) -> None:
    assert main(["network", "--framework", framework]) == 0
    (here / "own.py").write_text(capsys.readouterr().out)
    recipe = Recipe(**given("own.py:Net" if framework == "pytorch" else "own.py:net"))
    if framework == "pytorch":
        built, plain = build_model(recipe, 10), build_model(Recipe(), 10)
        assert isinstance(plain, SimpleCNN)
        assert isinstance(built, OwnCNN)
        own = {n: t for n, t in plain.state_dict().items() if n not in ("mean", "std")}
        built.network.load_state_dict(own)
        images = torch.from_numpy(small_data.validation.images)
        torch.testing.assert_close(predict(built, images), predict(plain, images))
        return
    from fashion_cnn.on_keras.model import build_model as build_in_keras

    model = build_in_keras(recipe, 10)
    assert model.count_params() == sum(p.numel() for p in build_model(Recipe(), 10).parameters())


def test_bfloat16_is_for_training_alone(tmp_path: Path, small_data: TrainingData) -> None:
    recipe = recipe_of(SETTINGS, tmp_path, batch_size=48)
    state = TorchState.start(recipe, small_data, torch.device("cpu"))
    state.model.convolve_in = torch.bfloat16  # pyright: ignore[reportAttributeAccessIssue]
    images, labels = small_data.training.images[:48].copy(), small_data.training.labels[:48]
    step = (torch.from_numpy(images), torch.from_numpy(labels.copy()), 1e-3)
    before = train_step(state, *step)[0]
    after = [train_step(state, *step)[0] for _ in range(5)][-1]
    assert after < before
    assert layers_of(state.model)[0].name == "network.1"
    classifier = TorchClassifier(to_device(state.model, torch.device("cpu")), torch.device("cpu"))
    assert classifier.logits(images).dtype == np.float32


def test_over_ranks_batch_norm_is_ours_or_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fashion_cnn.process.launch.ranks", lambda: 2)
    with pytest.raises(UsageError, match="BatchNorm1d, which would see a rank's share"):
        build_model(recipe_of(SETTINGS, tmp_path), 10)
    from fashion_cnn.on_torch.ranks import BatchNorm, Dropout

    model = build_model(Recipe(**given(EXAMPLE)), 10)
    kinds = {type(module) for module in model.modules()}
    assert kinds >= {BatchNorm, Dropout}
    assert not kinds & {nn.BatchNorm2d, nn.Dropout}


def resumed_as_never_stopped(words: list[str]) -> dict[str, np.ndarray]:
    """Train two epochs, whole and in two parts: the same weights, which are given back."""
    assert main(["train", *words, "--epochs", "2", "--name", "whole"]) == 0
    assert main(["train", *words, "--epochs", "1", "--name", "parts"]) == 0
    own_network._ALLOWED.clear()
    resume = ["train", "--resume", "--name", "parts", "--epochs", "2", "--trust-code"]
    assert main(resume) == 0
    whole, parts = (Run(f"runs/{name}").checkpoints.load("final") for name in ("whole", "parts"))
    for name, array in whole.model.items():
        np.testing.assert_array_equal(array, parts.model[name], err_msg=name)
    return dict(whole.model)


KERAS_BAD = {
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(9)])": "must be",
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),"
    " layers.Dense(10, activation='softmax')])": "a softmax",
    "layers.Dense(10)": "gives a Dense, not a keras.Model",
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),"
    " layers.AveragePooling1D(2)])": "cannot be made",
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),"
    " layers.Dense(10, dtype='bfloat16')])": "kernel of net in .* is of bfloat16; leave weights in",
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(),"
    " layers.Dense(10, dtype='float64')])": "kernel of net in .* is of float64; leave weights in",
    "keras.Sequential([layers.Flatten(),"
    " layers.Dense(10, dtype='float64')])": "kernel of net in .* is of float64; leave weights in",
    "exit()": "cannot be made: SystemExit",
    "keras.Sequential([keras.Input((1, 28, 28)), layers.Flatten(), layers.Dense(10)])": "not on",
    "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Lambda("
    "lambda x: x + keras.random.normal((1, 784))), layers.Dense(10)])": "other answers each time",
}


def test_keras_connects_it_to_images_or_tells_why_not(tmp_path: Path) -> None:
    """On arrays it works, but it asks for a number that symbolic images do not have."""
    from fashion_cnn.on_keras.model import build_model as build_in_keras

    (tmp_path / "own.py").write_text(
        "import keras\n"
        "class net(keras.Model):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.dense = keras.layers.Dense(10)\n"
        "    def call(self, x):\n"
        "        return self.dense(keras.ops.reshape(x, (int(x.shape[0]), 784)))\n"
    )
    with pytest.raises(UsageError, match=r"net works on arrays, but not on symbolic images, "):
        build_in_keras(Recipe(**given(f"{tmp_path}/own.py:net")), 10)


KERAS_MODELS = {
    "    def call(self, x, training=False):\n"
    "        y = self.dense(self.flatten(x))\n"
    "        return (y, y) if training else y\n": "net gives tuple in training",
    "    def call(self, x, training=False):\n"
    "        if training: raise ValueError('not like this')\n"
    "        return self.dense(self.flatten(x))\n": "in training, .*: not like this .*line 9",
    "    def call(self, x):\n"
    "        return self.dense(self.flatten(x))\n"
    "    def train_step(self, data): pass\n": "net has a train_step of its own",
    "    def call(self, x, training=False):\n"
    "        if training: self.more(self.flatten(x))\n"
    "        return self.dense(self.flatten(x))\n": "makes weights in training that it lacks",
    "    def call(self, x):\n"
    "        return self.dense(keras.layers.Conv2D(4, 3)(x[..., 0]))\n": "ndim=4, found ndim=3",
}


@pytest.mark.filterwarnings("ignore:.build")  # of a layer that waits for its first call
@pytest.mark.parametrize("call", KERAS_MODELS)
def test_keras_tells_what_is_wrong_with_a_class(tmp_path: Path, call: str) -> None:
    from fashion_cnn.on_keras.model import build_model as build_in_keras

    (tmp_path / "own.py").write_text(
        "import keras\n"
        "class net(keras.Model):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.flatten = keras.layers.Flatten()\n"
        "        self.dense, self.more = keras.layers.Dense(10), keras.layers.Dense(10)\n\n"
        f"{call}"
    )
    with pytest.raises(UsageError, match=KERAS_MODELS[call]):
        build_in_keras(Recipe(**given(f"{tmp_path}/own.py:net")), 10)


@pytest.mark.parametrize("code", KERAS_BAD)
def test_keras_tells_it_too(tmp_path: Path, code: str) -> None:
    from fashion_cnn.on_keras.model import build_model as build_in_keras

    text = f"import keras\nfrom keras import layers\ndef net(): return {code}\n"
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(UsageError, match=KERAS_BAD[code]):
        build_in_keras(Recipe(**given(f"{tmp_path}/own.py:net")), 10)


VIEW = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 5, stride=2), nn.Linear(4 * 12 * 12, classes)
    def forward(self, x):
        return self.out(self.conv(x).view(-1, 4 * 12 * 12))
"""
FIVE_AXES = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.capsules = nn.Parameter(torch.randn(1, 49, classes, 16, 1) / 7)
        self.pool = nn.AvgPool2d(4)
    def forward(self, x):
        return (self.pool(x).reshape(-1, 49, 1, 1, 1) * self.capsules).sum((1, 3, 4))
"""
VOLUME = """
def net(classes):
    return nn.Sequential(nn.Unflatten(1, (1, 1)), nn.Conv3d(1, 2, (1, 4, 4), (1, 4, 4)),
                         nn.Flatten(), nn.Linear(98, classes))
"""
OF_MAPS = """
def net(classes):
    return nn.Sequential(nn.Conv2d(1, 4, 5, 4), nn.Flatten(), nn.Linear(144, classes))
"""


@pytest.mark.parametrize(
    ("code", "memory_format"),
    [
        (VIEW, torch.contiguous_format),
        (FIVE_AXES, torch.contiguous_format),
        (VOLUME, torch.contiguous_format),
        (OF_MAPS, torch.channels_last),
    ],
    ids=["a view of the maps", "capsules", "volumes", "maps"],
)
def test_a_network_trains_in_the_memory_layout_that_it_can(
    tmp_path: Path, small_data, code: str, memory_format: torch.memory_format
) -> None:
    recipe = recipe_of(code, tmp_path, batch_size=48, epochs=2, ema_decay=0.5)
    assert build_model(recipe, 10).memory_format == memory_format
    whole = train("pytorch", recipe, small_data, tmp_path / "whole")
    train("pytorch", recipe, small_data, tmp_path / "parts", stop=3)
    parts = train("pytorch", recipe, small_data, tmp_path / "parts", resume=True)
    assert content(parts) == content(whole)
    assert np.isfinite(whole.history[-1].val_loss)


@pytest.mark.parametrize("name", ["classes", "num_classes"])
def test_a_network_is_told_how_many_classes_there_are(tmp_path: Path, name: str) -> None:
    code = f"def net({name}=10): return nn.Sequential(nn.Flatten(), nn.Linear(784, {name}))"
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    assert build_model(recipe_of(code, tmp_path), 3)(images).shape == (2, 3)


IN_PLACE = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.one, self.two = nn.Linear(784, 8), nn.Linear(784, 8)
        self.out = nn.Linear(8, classes)
    def forward(self, x):
        x = x.flatten(1)
        y = torch.sigmoid(self.one(x))
        y += self.two(x)
        return self.out(y)
"""


def test_a_network_that_cannot_learn_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="net answers, but cannot learn from it: .*inplace"):
        build_model(recipe_of(IN_PLACE, tmp_path), 10)
    model = build_model(recipe_of(VIEW, tmp_path), 10)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_network_may_normalise_its_input_in_place(tmp_path: Path) -> None:
    code = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.out = nn.Linear(784, classes)
    def forward(self, x):
        x *= 0.3530
        x += 0.2860
        return self.out(x.flatten(1))
"""
    assert build_model(recipe_of(code, tmp_path), 10)


@pytest.mark.parametrize(
    "method", ["def train(self, loader, epochs): pass", "def eval(self, loader=None): return 0.5"]
)
def test_a_method_in_the_place_of_pytorchs_is_told(tmp_path: Path, method: str) -> None:
    code = f"class net(nn.Sequential):\n    {method}\n"
    with pytest.raises(UsageError, match="cannot be put into evaluation .*other names"):
        build_model(recipe_of(code, tmp_path), 10)


MASKED = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        mask = torch.triu(torch.full((28, 28), float("-inf")), 1)
        self.register_buffer("mask", mask, persistent={persistent})
        self.out = nn.Linear(784, classes)
    def forward(self, x):
        x = x[:, 0]
        return self.out(((x @ x.mT + self.mask).softmax(-1) @ x).flatten(1))
"""


def test_a_mask_that_is_not_finite_is_no_part_of_a_checkpoint(tmp_path: Path, small_data) -> None:
    with pytest.raises(UsageError, match="mask of net .* is not finite.*persistent=False"):
        build_model(recipe_of(MASKED.format(persistent=True), tmp_path), 10)
    recipe = recipe_of(MASKED.format(persistent=False), tmp_path, epochs=1, ema_decay=0.5)
    run = train("pytorch", recipe, small_data, tmp_path / "run")
    assert np.isfinite(run.history[-1].val_loss)


def test_a_class_of_a_module_that_was_loaded_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.py"
    file.write_text(
        f"import torch\nfrom torch import nn\nWIDTH = 4\n{VIEW.replace('4,', 'WIDTH,')}"
    )
    spec = importlib.util.spec_from_file_location("by_hand", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "by_hand" not in sys.modules
    for made in (module.net, runpy.run_path(str(file))["net"]):
        assert build_model(Recipe(**given(made)), 10)


def test_a_network_with_parts_under_two_names_starts_from_what_safetensors_keeps(
    tmp_path: Path,
) -> None:
    code = """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 2, 5), nn.Linear(2 * 24 * 24, classes)
        self.net = nn.Sequential(self.features, nn.Flatten(), self.head)
    def forward(self, x):
        return self.net(x)
"""
    recipe = recipe_of(code, tmp_path)
    first, other = build_model(recipe, 10), build_model(recipe, 10)
    assert isinstance(first, OwnCNN)
    safetensors.torch.save_model(first.network, str(tmp_path / "weights.safetensors"))
    arrays = safetensors.numpy.load_file(tmp_path / "weights.safetensors")
    assert len(arrays) == 4
    found = fit(other, Weights(tmp_path / "weights.safetensors", "", arrays))
    take_weights(other, found)
    for name, array in weight_arrays(first).items():
        np.testing.assert_array_equal(weight_arrays(other)[name], array, err_msg=name)


LONE = (
    "import torch.nn as nn\n"
    "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8),"
    " nn.Linear(8, 10))\n"
)


def test_a_last_batch_of_one_image_is_told_before_training(here: Path, capsys) -> None:
    (here / "lone.py").write_text(LONE)
    words = ["--model", "lone.py:net", "--epochs", "1", "--no-test", "--threads", "1"]
    one = ["--output", "one"]
    assert main(["train", *words, "--train-images", "241", "--batch-size", "60"]) == 2
    assert (
        "last batch has one, which lone.py:net cannot learn from; choose another --batch-size"
        in (capsys.readouterr().err)
    )
    assert main(["train", *words, "--train-images", "241", "--batch-size", "59"]) == 0
    assert main(["train", *words, "--train-images", "20", "--batch-size", "1", *one]) == 2
    assert "in batches of 1 the last batch has one" in capsys.readouterr().err


RECURRENT = """
from torch import nn
class net(nn.Module):
    def __init__(self):
        super().__init__()
        kinds = (nn.LSTM, 28), (nn.GRU, 16), (nn.RNN, 16)
        self.rows = nn.ModuleList(
            kind(width, 8, batch_first=True, bidirectional=True) for kind, width in kinds
        )
        self.output = nn.Linear(16, 10)
    def forward(self, x):
        x = x.squeeze(1)
        for rows in self.rows:
            x, _ = rows(x)
        return self.output(x[:, -1])
"""


def is_exported(folder: Path, capsys, code: str, *words: str) -> None:
    """Train the `net` of a code; its file answers as it does."""
    (folder / "own.py").write_text(code)
    assert main(["train", "--model", "own.py:net", *words, "--output", "run"]) == 0
    assert main(["export", "run", "--trust-code"]) == 0
    assert "agrees with the trained model on all 600 test images" in capsys.readouterr().out


def test_a_network_that_reads_an_image_row_by_row_is_exported(here: Path, capsys) -> None:
    is_exported(here, capsys, RECURRENT, "--epochs", "1", "--train-images", "300", "--threads", "1")


def test_a_network_that_asks_how_many_images_there_are_is_exported(here: Path, capsys) -> None:
    """`len(x)`, which PyTorch's first way of exporting takes for the sample's number."""
    code = (
        "import torch\n"
        "from torch import nn\n"
        "class net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.patches = nn.Conv2d(1, 8, 7, stride=7)\n"
        "        self.answer = nn.Parameter(torch.zeros(1, 1, 8))\n"
        "        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)\n"
        "        self.output = nn.Linear(8, 10)\n"
        "    def forward(self, x):\n"
        "        x = self.patches(x).flatten(2).mT\n"
        "        x = torch.cat([self.answer.expand(len(x), -1, -1), x], 1)\n"
        "        return self.output(self.block(x)[:, 0])\n"
    )
    is_exported(here, capsys, code, "--epochs", "0", "--threads", "1")


def test_a_spatial_transformer_is_exported(here: Path, capsys) -> None:
    """It looks at places that it computes; and its pooling divides 28 pixels by 5."""
    code = (
        "from torch import nn\n"
        "from torch.nn import functional as F\n"
        "class net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.place, self.output = nn.Linear(784, 6), nn.Linear(25, 10)\n"
        "    def forward(self, x):\n"
        "        place = self.place(x.flatten(1)).view(-1, 2, 3)\n"
        "        grid = F.affine_grid(place, x.shape, align_corners=False)\n"
        "        x = F.grid_sample(x, grid, align_corners=False)\n"
        "        return self.output(F.adaptive_avg_pool2d(x, 5).flatten(1))\n"
    )
    is_exported(here, capsys, code, "--epochs", "0", "--threads", "1")


def test_a_network_for_one_number_of_images_is_not_exported() -> None:
    class Loop(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.stack([images[i].float().mean(1)[:10] for i in range(len(images))])

    class Timed(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            print(f"{len(images)} images")
            with open(os.devnull) as file:
                return images.float().mean(1)[:, :10] + len(images) + len(file.read())

    with pytest.raises(ExportError, match="for a fixed number of images; a loop over them"):
        to_onnx(Loop(), 18)
    with pytest.raises(ExportError, match="PyTorch cannot export this network: "):
        to_onnx(Timed(), 18)


FFT = """
import torch
from torch import nn
class net(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(14, 10)
    def forward(self, x):
        return self.output(torch.fft.rfft(x[:, 0, 1]).abs()[:, :-1])
"""


def test_a_network_that_cannot_be_exported_is_told_so(here: Path, capsys) -> None:
    (here / "fft.py").write_text(FFT)
    words = ["--epochs", "1", "--train-images", "300", "--threads", "1", "--output", "fft"]
    assert main(["train", "--model", "fft.py:net", *words]) == 0
    assert main(["export", "fft", "--trust-code"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert (
        "this network can be trained, but not exported: the model holds an operator 'DFT'" in said
    )
    assert "export it again" not in said


AUGMENTED = (
    "import keras\n"
    "from keras import layers\n"
    "def net(): return keras.Sequential([keras.Input((28, 28, 1)), layers.RandomRotation(0.1),"
    " layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(10)])\n"
)


def test_attention_in_keras_is_exported(here: Path, capsys) -> None:
    """With GELU: erfc in TensorFlow, which ONNX lacks. And sizes that are products of sides."""
    code = (
        "import keras\n"
        "from keras import layers\n"
        "def net():\n"
        "    images = keras.Input((28, 28, 1))\n"
        "    rows = layers.Dense(8, activation='gelu')(layers.Reshape((28, 28))(images))\n"
        "    seen = layers.MultiHeadAttention(2, 4)(rows, rows)\n"
        "    rows = layers.LayerNormalization()(rows + seen)\n"
        "    pooled = layers.GlobalAveragePooling1D()(rows)\n"
        "    return keras.Model(images, layers.Dense(10, name='output')(keras.ops.gelu(pooled)))\n"
    )
    is_exported(here, capsys, code, "--framework", "keras", "--epochs", "0")


def test_keras_layers_that_augment_do_so_in_training_alone(here: Path, capsys) -> None:
    words = ["--framework", "keras", "--epochs", "1", "--train-images", "300"]
    is_exported(here, capsys, AUGMENTED, *words)


def test_a_network_that_ends_the_program_while_it_learns_is_told(here: Path, capsys) -> None:
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.left = nn.Linear(784, 10), 8
    def forward(self, x):
        self.left -= self.training
        if not self.left:
            raise SystemExit(0)
        return self.head(x.flatten(1).float())
"""
    (here / "own.py").write_text(f"import torch\nfrom torch import nn\n{code}")
    assert main(["train", "baseline", *TINY, "--epochs", "9", "--model", "own.py:Net"]) == 2
    assert "the network's own code ended the program" in capsys.readouterr().err
    assert Run("runs/mine").exists()


UNUSED = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.left_over = nn.Linear(784, 10), nn.Linear(5, 5)
    def forward(self, x):
        return self.head(x.flatten(1))
"""


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon"])
def test_a_network_with_a_layer_that_it_does_not_use_is_resumed(
    tmp_path: Path, small_data, optimizer
) -> None:
    recipe = recipe_of(UNUSED, tmp_path, "Net", optimizer=optimizer, batch_size=48, epochs=2)
    whole = train("pytorch", recipe, small_data, tmp_path / "whole")
    train("pytorch", recipe, small_data, tmp_path / "parts", stop=5)
    parts = train("pytorch", recipe, small_data, tmp_path / "parts", resume=True)
    assert content(parts) == content(whole)


def test_keras_layers_that_draw_or_keep_statistics_are_resumed_exactly(here: Path) -> None:
    (here / "augmented.py").write_text(
        AUGMENTED.replace("layers.RandomRotation(0.1)", "layers.RandomTranslation(0.1, 0.1)")
    )
    own = ["--framework", "keras", "--model", "augmented.py:net", "--no-test", "--deterministic"]
    small = ["--train-images", "150", "--batch-size", "50"]
    learned = resumed_as_never_stopped([*own, *small])
    assert any(name.endswith("moving_variance") for name in learned)


def test_what_the_last_layer_of_a_keras_network_sees(here: Path) -> None:
    own = ["--framework", "keras", "--model", KERAS, "--width", "4", "--no-test"]
    assert main(["train", *own, *TINY]) == 0
    opened = fashion_cnn.Run.open("runs/mine", trust_code=True).classifier()
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    features = opened.features(images)
    weights = Run("runs/mine").checkpoints.load("final").model
    kernel = next(a for a in weights.values() if a.ndim == 2 and 10 in a.shape)
    bias = next(array for array in weights.values() if array.shape == (10,))
    kernel = kernel if kernel.shape[1] == 10 else kernel.T
    np.testing.assert_allclose(features @ kernel + bias, opened.logits(images), atol=1e-4)


def test_features_of_a_keras_network_that_is_no_graph_are_refused(here: Path) -> None:
    (here / "own.py").write_text(
        "import keras\n"
        "class Net(keras.Model):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.flat, self.head = keras.layers.Flatten(), keras.layers.Dense(10)\n"
        "    def call(self, x): return self.head(self.flat(x))\n"
    )
    words = ["--framework", "keras", "--model", "own.py:Net", "--no-test"]
    assert main(["train", *words, *TINY]) == 0
    opened = fashion_cnn.Run.open("runs/mine", trust_code=True).classifier()
    with pytest.raises(UsageError, match="no graph of layers"):
        opened.features(np.zeros((2, 28, 28), np.uint8))


def test_an_evaluation_that_is_refused_does_not_open_the_test_set(here: Path, capsys) -> None:
    assert main(["train", *TINY, "--model", EXAMPLE, "--no-test"]) == 0
    own_network._ALLOWED.clear()
    assert main(["evaluate", "runs/mine"]) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert Run("runs/mine").test_readings() == 0


@pytest.mark.parametrize("kind", ["Dropout1d", "Dropout2d", "AlphaDropout"])
def test_over_ranks_a_dropout_that_all_would_draw_alike_is_refused(
    tmp_path: Path, monkeypatch, kind: str
) -> None:
    code = UNUSED.replace("nn.Linear(5, 5)", f"nn.{kind}(0.5)")
    assert build_model(recipe_of(code, tmp_path, "Net"), 10)
    monkeypatch.setattr("fashion_cnn.process.launch.ranks", lambda: 2)
    with pytest.raises(UsageError, match=f"{kind}, which every rank would draw alike"):
        build_model(recipe_of(code, tmp_path, "Net"), 10)


layers, WIDTHS, unused = [nn.Identity()], [4, 8], object()


class Crowded(nn.Module):
    """Its attributes have the names of what stands around it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Linear(196, WIDTHS[0])
        self.unused = nn.Linear(WIDTHS[0], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unused(self.layers(max_pool2d(x, 2).flatten(1)))


def test_an_attribute_is_not_what_stands_around_a_class_of_a_notebook() -> None:
    fields = given(Crowded)
    code = own_network._ALLOWED[fields["model_sha256"]].code.decode()
    assert "WIDTHS = [4, 8]" in code
    assert "object" not in code
    model = build_model(Recipe(**fields), 3)
    assert model(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 3)


def leaning(classes: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(784, classes))


def test_what_cannot_be_kept_of_a_notebook_is_named() -> None:
    with pytest.raises(UsageError, match="leaning uses layers, which is a list: of what stands"):
        given(leaning)


TWO = """class A(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Flatten(), nn.Linear(784, classes), nn.ReLU())
class B(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Flatten(), nn.Linear(784, classes), nn.Tanh())"""


def test_of_two_networks_in_a_file_each_is_itself(here: Path, capsys) -> None:
    a, b = (recipe_of(TWO, here, name=name) for name in "AB")
    for recipe, kind in ((a, nn.ReLU), (b, nn.Tanh)):
        assert isinstance(build_model(recipe, 3).get_submodule("network.2"), kind)
    small = ["--train-images", "100", "--threads", "1", "--no-test", "--name", "a"]
    assert main(["train", "--model", "own.py:A", "--epochs", "1", *small]) == 0
    own_network._ALLOWED.clear()
    capsys.readouterr()
    assert main(["evaluate", "runs/a", "--model", "own.py:B"]) == 2
    assert "was not trained with own.py:B" in capsys.readouterr().err
    resume = ["train", "--resume", "--name", "a", "--epochs", "2"]
    assert main([*resume, "--model", "own.py:B"]) == 2
    assert "is trained with A of that file, not with B" in capsys.readouterr().err
    assert main([*resume, "--model", "own.py:A"]) == 0
    again = reproduce(Run("runs/a"))
    assert "--model own.py:A" in again
    (here / "own.py").unlink()
    assert "--model runs/a/network.py:A" in reproduce(Run("runs/a"))


def test_freezing_leaves_something_to_learn(tmp_path: Path) -> None:
    code = _net("self.a = nn.Linear(784, 10)", "return self.output(x)")
    code += "\n    def output(self, x):\n        return self.a(x.flatten(1))"
    recipe = recipe_of(code, tmp_path).replace(freeze=1, init_from="somewhere")
    with pytest.raises(UsageError, match="no last layer that is called `output` and learns"):
        build_model(recipe, 10)


def test_a_network_may_answer_in_bfloat16(tmp_path: Path) -> None:
    code = _net("self.output = nn.Linear(784, 10)", "return self.output(x.flatten(1)).bfloat16()")
    model = build_model(recipe_of(code, tmp_path), 10)
    logits = TorchClassifier(model, torch.device("cpu")).logits(np.zeros((2, 28, 28), np.uint8))
    assert logits.dtype == np.float32


@pytest.mark.parametrize("first", ["output", "unused"])
def test_features_are_what_the_layer_sees_that_computes_last(tmp_path: Path, first: str) -> None:
    made = "self.output = nn.Linear(16, 10); self.body = nn.Linear(784, 16)"
    if first == "unused":
        made = "self.body = nn.Linear(784, 16); self.output = nn.Linear(16, 10)"
        made += "; self.unused = nn.Linear(3, 2)"
    code = _net(made, "return self.output(self.body(x.flatten(1)))")
    model = build_model(recipe_of(code, tmp_path), 10)
    images = np.random.default_rng(0).integers(0, 256, (300, 28, 28)).astype(np.uint8)
    classifier = TorchClassifier(model, torch.device("cpu"))
    found = classifier.features(images)
    assert found.shape == (300, 16)
    output = model.get_submodule("network.output")
    with torch.no_grad():
        logits = output(torch.from_numpy(found)).numpy()
    np.testing.assert_allclose(logits, classifier.logits(images), atol=1e-5)


def test_a_learnt_number_in_the_head_is_no_obstacle_to_a_start(tmp_path: Path) -> None:
    code = (
        "class Head(nn.Linear):\n    def __init__(self, classes):\n"
        "        super().__init__(16, classes)\n"
        "        self.scale = nn.Parameter(torch.tensor(10.))\n"
        "    def forward(self, x):\n        return super().forward(x) * self.scale\n"
        "class net(nn.Module):\n    def __init__(self, classes):\n        super().__init__()\n"
        "        self.register_buffer('mean', torch.zeros(1))\n"
        "        self.register_buffer('std', torch.ones(1))\n"
        "        self.body, self.output = nn.Linear(784, 16), Head(classes)\n"
        "    def forward(self, x):\n"
        "        return self.output(self.body((x.flatten(1) - self.mean) / self.std))"
    )
    recipe = recipe_of(code, tmp_path)
    one, other = build_model(recipe, 10), build_model(recipe, 3)
    assert isinstance(one, OwnCNN)
    arrays = {name: tensor.numpy() for name, tensor in one.network.state_dict().items()}
    found = fit(other, Weights(Path("w"), "0" * 64, arrays))
    assert {"network.output.weight", "network.output.scale"} <= {*found.anew}
    assert "network.mean" in found.arrays


def made(width: int) -> type[nn.Module]:
    class Enclosed(nn.Module):
        def __init__(self, classes: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, width), act())
            self.output = nn.Linear(width, classes)

        def forward(self, x: torch.Tensor) -> "torch.Tensor":
            return self.output(squared(sorted(self.layers(x))))

    return Enclosed


def _act() -> nn.Module:
    return nn.ReLU()


width = 4
act = _act
halved = lambda x: x / 2  # noqa: E731
squared = lambda x: halved(x) ** 2  # noqa: E731


def sorted(x: torch.Tensor) -> torch.Tensor:  # noqa: A001
    """Not Python's."""
    return x + 1


def test_a_class_is_kept_as_the_code_that_it_is() -> None:
    """With what encloses it, other names of what it uses, and what Python calls otherwise."""
    fields = given(made(64))
    code = own_network._ALLOWED[fields["model_sha256"]].code.decode()
    assert "width = 64" in code
    assert "act = _act" in code
    assert code.index("halved = lambda") < code.index("squared = lambda")
    assert "Not Python's." in code
    model = build_model(Recipe(**fields), 3)
    assert model.get_submodule("network.output").weight.shape == (3, 64)
    assert model(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 3)


def test_annotations_of_the_future_stay_unread(monkeypatch, tmp_path: Path) -> None:
    code = (
        "from __future__ import annotations\nfrom torch import nn\n"
        "class Late(nn.Module):\n    def __init__(self, classes):\n        super().__init__()\n"
        "        self.output = nn.Linear(784, classes)\n"
        "    def forward(self, x) -> Nowhere:\n        return self.output(x.flatten(1))\n"
    )
    build_model(Recipe(**given(as_of_a_kernel(monkeypatch, code).Late)), 3)


def test_code_without_end_is_not_gathered(monkeypatch) -> None:
    monkeypatch.setattr(own_network, "MOST_CODE", 100)
    with pytest.raises(UsageError, match="has more than 100 bytes"):
        given(Noted)


def test_settings_of_an_own_network_are_shown(tmp_path: Path) -> None:
    rows = explain_recipe(recipe_of(SETTINGS, tmp_path, width=8))
    assert any(name.startswith("width") and value == "8" for name, value, *_ in rows)


def test_trying_it_out_leaves_its_start_as_it_was(tmp_path: Path) -> None:
    """The weights that the seed draws, the statistics of batch norm, and the generator."""
    code = "def net(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(10), nn.BatchNorm1d(10))"
    recipe = recipe_of(code, tmp_path)
    torch.manual_seed(5)
    model = build_model(recipe, 10)
    after = torch.rand(3)
    torch.manual_seed(5)
    bare = nn.Sequential(nn.Flatten(), nn.LazyLinear(10), nn.BatchNorm1d(10))
    bare.eval()(torch.zeros(2, 1, 28, 28))
    torch.testing.assert_close(after, torch.rand(3), rtol=0, atol=0)
    wanted = bare.state_dict()
    for name, tensor in model.get_submodule("network").state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0)
    assert model.training


def test_a_network_may_keep_the_mode_of_its_parts(tmp_path: Path) -> None:
    """And forget to return itself."""
    code = _net("self.output = nn.Linear(784, 10)", "return self.output(x.flatten(1))")
    code += "\n    def train(self, mode=True):\n        super().train(False)"
    build_model(recipe_of(code, tmp_path), 10)


def test_a_plain_file_of_a_network_whose_parts_are_called_network_is_a_start(
    tmp_path: Path,
) -> None:
    code = _net("self.network = nn.Linear(784, 10)", "return self.network(x.flatten(1))")
    recipe = recipe_of(code, tmp_path)
    one, other = (build_model(recipe, 10) for _ in range(2))
    assert isinstance(one, OwnCNN)
    arrays = {name: tensor.numpy() for name, tensor in one.network.state_dict().items()}
    assert {*arrays} == {"network.weight", "network.bias"}
    found = fit(other, Weights(Path("w"), "0" * 64, arrays))
    np.testing.assert_array_equal(found.arrays["network.network.weight"], arrays["network.weight"])
    assert fit(other, Weights(Path("w"), "0" * 64, weight_arrays(one))).anew == ()


def sized(size: int):
    def layer(width: int) -> nn.Module:
        return nn.LazyConv2d(width, size)

    return layer


three, five = sized(3), sized(5)


class Twofold(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(three(4), five(8), nn.Flatten(), nn.LazyLinear(classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def test_two_things_of_one_name_are_not_kept_as_one() -> None:
    with pytest.raises(UsageError, match="two things called (layer|size) stand around"):
        given(Twofold)
