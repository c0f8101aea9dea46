"""The exported model of a run on disk: the ONNX files and `export.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.run.files import to_json, write_atomically
from fashion_cnn.run.folder import Run

_MODEL, _INT8, _REPORT = "model.onnx", "model-int8.onnx", "export.json"


@dataclass(frozen=True)
class Place:
    """Where an export goes: the model, its int8 variant, and the report on both."""

    model: Path
    int8: Path
    report: Path


def place(run: Run, output: Path | None = None) -> Place:
    """In the run folder, or at `output`, a file FILE.onnx (beside it FILE-int8.onnx, FILE.json).

    Raises:
        UsageError: `output` has another ending.
    """
    if output is None:
        return Place(*(run.path / name for name in (_MODEL, _INT8, _REPORT)))
    if output.suffix != ".onnx":
        raise UsageError(f"--output {output} must end in .onnx")
    int8 = output.with_name(f"{output.stem}-int8.onnx")
    return Place(output, int8, output.with_suffix(".json"))


def record(where: Place, files: Mapping[str, bytes], report: dict[str, Any]) -> None:
    """Write the files, by the names of `Place`, and the report.

    A model of an earlier export that is not among `files` is removed: the report speaks of it no
    more.
    """
    for name in ("model", "int8"):
        if name not in files:
            getattr(where, name).unlink(missing_ok=True)
    write_atomically(where.report, to_json(report))
    for name, data in files.items():
        write_atomically(getattr(where, name), data)
