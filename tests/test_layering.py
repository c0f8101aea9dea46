"""Imports run downwards only, and nothing heavy is imported before it is needed."""

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fashion_cnn

PACKAGE = Path(fashion_cnn.__file__).parent
LAYERS = [
    {"commands", "errors", "text", "version", "dependencies"},
    {"files"},
    {"classifier", "process", "recipes"},
    {"data"},
    {"run"},
    {"training", "evaluation"},
    {"on_torch", "on_keras"},
    {"frameworks", "reporting"},
    {"shipping"},
    {"job", "pace"},
    {"tuning", "studies", "benchmark", "doctor"},
    {"api"},
    {"cli"},
    {"__main__"},
]
ROOM = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
LIGHT = {room for rooms in LAYERS[:5] for room in rooms} | {"training"}
HEAVY = {"torch", "keras", "tensorflow", "matplotlib", "sklearn", "optuna", "tensorboard", "mlflow"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            names |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return names


def test_imports_run_downwards() -> None:
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imports(path):
            top, target, *_ = [*name.split("."), ""]
            assert room not in LIGHT or top not in HEAVY, f"{path} imports {name}"
            below = target == room or ROOM.get(target, -1) < ROOM[room]
            assert below or top != "fashion_cnn", f"{path} imports {name}, which is not below it"


def test_pictures_are_decoded_in_the_child_alone() -> None:
    """Pillow sees a stranger's bytes only under limits; OpenCV costs 0.1 s and is for one thing."""
    homes = {"PIL": {"decoding_child.py"}, "cv2": {"segmentation.py"}}
    for path in (PACKAGE / "data").glob("*.py"):
        tops = {name.split(".")[0] for name in imports(path)}
        for library, names in homes.items():
            assert library not in tops or path.name in names, f"{path} imports {library}"
        if path.name == "decoding_child.py":
            assert "fashion_cnn" not in tops, "run as a script, with nothing but Pillow"


def test_training_mentions_no_report() -> None:
    words = ("report", "plot", "matplotlib", "serve", "tun", "track", "mlflow", "tensorboard")
    rooms = ("training", "on_torch", "on_keras")
    for path in (path for room in rooms for path in (PACKAGE / room).glob("*.py")):
        assert not [name for name in imports(path) if any(word in name for word in words)]


def test_no_room_without_a_meaning() -> None:
    banned = {
        "utils", "common", "helpers", "misc", "base", "registry", "factory", "trainer", "callbacks",
    }  # fmt: skip
    assert not [path for path in MODULES if path.stem in banned]


FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, public: bool = True) -> Iterator[tuple[Any, bool]]:
    """Every function, and whether it and what it is in are public."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, FUNCTION | ast.ClassDef)
        open_to_all = public and not (named and node.name.startswith("_"))
        if isinstance(node, FUNCTION):
            yield node, open_to_all
        yield from functions(node, open_to_all)


def lines(function: Any) -> int:
    """Of the body, without the docstring and the functions inside, which count for themselves."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body:
        return 0
    inside = [node for part in body for node in ast.walk(part) if isinstance(node, FUNCTION)]
    counted = set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))
    return len(counted - {line for one in inside for line in range(one.lineno, one.end_lineno + 1)})


def test_functions_stay_small() -> None:
    for path in MODULES:
        for function, public in functions(ast.parse(path.read_text())):
            where = f"{path}:{function.lineno}: {function.name}"
            assert lines(function) <= 60, where
            arguments = [*function.args.args, *function.args.kwonlyargs]
            count = len([one for one in arguments if one.arg not in ("self", "cls")])
            # A command has an argument an option, and nobody calls it.
            assert count <= 6 or not public or path.parent.name == "cli", where


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import fashion_cnn, fashion_cnn.cli") & (HEAVY | {"numpy"})


def test_reports_need_no_torch() -> None:
    loaded = loaded_by("import fashion_cnn.reporting.plots, fashion_cnn.evaluation.evaluate")
    assert not loaded & {"torch", "keras", "tensorflow"}


def test_answering_by_a_calibration_needs_numpy_alone() -> None:
    loaded = loaded_by("import fashion_cnn.evaluation.calibration")
    assert "numpy" in loaded
    assert not loaded & {*HEAVY, "scipy"}


def test_fitting_a_calibration_does_without_scipys_optimisers() -> None:
    """Else every training would import them at its end, for this alone."""
    script = """
import sys, numpy as np
from fashion_cnn.evaluation.calibration import fit
assert fit(np.eye(10), np.arange(10))["temperature"] == 0.05
print("scipy.optimize" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_optimisers_and_layers_do_without_pytorchs_compiler() -> None:
    """To import it takes as long as to import the rest of PyTorch."""
    script = """
import sys, torch
from fashion_cnn.on_torch.layers import layers_of
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.on_torch.optim import build_optimizer
from fashion_cnn.recipes.recipe import Recipe
recipe = Recipe(name="tried")
model = build_model(recipe, 10)
for name in ("adam", "adamw", "sgd", "muon"):
    optimizer = build_optimizer(recipe.replace(optimizer=name), model)
    optimizer.zero_grad()
    model(torch.zeros(2, 28, 28, dtype=torch.uint8)).sum().backward()
    optimizer.step()
assert layers_of(model)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_answering_needs_no_framework() -> None:
    loaded = loaded_by("import fashion_cnn.shipping.onnx_classifier")
    assert not loaded & (HEAVY | {"onnx", "scipy", "rich"})


def test_every_name_of_the_api_is_there() -> None:
    for names in fashion_cnn._HOMES.values():
        for name in names:
            assert getattr(fashion_cnn, name).__doc__
    with pytest.raises(AttributeError, match="no 'trian'"):
        fashion_cnn.trian  # noqa: B018


def test_help_answers_at_once() -> None:
    """By the processor's time: other tests run beside this one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "fashion_cnn", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.6
