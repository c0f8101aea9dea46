"""The notebooks, from top to bottom on few images, in a kernel of their own."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SMALL = 'SETTINGS = {"epochs": 1, "train_images": 500, "threads": 1}'
UNDRAWN = """
from fashion_cnn.reporting import plots, report
plots.draw_run = lambda run, metrics: None
empty = dict.fromkeys(("loss", "accuracy", "reliability", "risk"), "")
report.charts = lambda run, metrics: empty
"""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def client(notebook: Any, folder: Path) -> Any:
    return nbclient.NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )


def outputs(notebook: Any) -> str:
    return "".join(str(cell.get("outputs", "")) for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, few_data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    notebook = nbformat.read(path, 4)
    pictures = outputs(notebook).count("image/png")
    (settings,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    settings.source = SMALL + UNDRAWN
    client(notebook, tmp_path).execute()
    said = outputs(notebook)
    assert said.count("image/png") == pictures > 0, "as many as are committed"
    assert len(re.findall(r"epoch +1/1: train ", said)) >= 1, "the line that moved"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_as_it_ran(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    assert "colab" in notebook.cells[0].source
    assert "%pip install" in notebook.cells[1].source
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert "image/png" in outputs(notebook)
    assert not re.search(r"Error|Traceback|/(home|tmp|work|root)/", outputs(notebook))
    assert path.stat().st_size < 400_000


def test_interrupting_the_kernel_gives_the_finished_run(
    few_data: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    train = (
        f"import fashion_cnn as fc\n{UNDRAWN}"
        "run = fc.train('baseline', epochs=500, train_images=300, width=4, threads=1)"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import os, pathlib, signal, threading, time\n"
                "def interrupt():\n"
                "    while not pathlib.Path('runs/baseline/recipe.json').exists():\n"
                "        time.sleep(0.1)\n"
                "    os.kill(os.getpid(), signal.SIGINT)\n"
                "threading.Thread(target=interrupt, daemon=True).start()"
            ),
            nbformat.v4.new_code_cell(train),
            nbformat.v4.new_code_cell("print(run.metrics.status, len(run.history) < 500)\nrun"),
        ]
    )
    began = time.monotonic()
    client(notebook, tmp_path).execute()
    assert time.monotonic() - began < 240
    last = str(notebook.cells[-1].outputs)
    assert "interrupted True" in last
    assert "text/html" in last
