"""The exported model of a run on disk: the ONNX files and `export.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.files import to_json, write_atomically
from fashion_cnn.run.folder import Run

_MODEL, _INT8, _REPORT = "model.onnx", "model-int8.onnx", "export.json"


@dataclass(frozen=True)
class ExportFiles:
    """Where an export is: the model, its int8 variant, and the report on both."""

    model: Path
    int8: Path
    report: Path

    @classmethod
    def of(cls, run: Run, output: Path | None = None) -> "ExportFiles":
        """In the run folder, or `output`, a FILE.onnx (beside it FILE-int8.onnx, FILE.json).

        Raises:
            UsageError: `output` has another ending.
        """
        if output is None:
            return cls(*(run.path / name for name in (_MODEL, _INT8, _REPORT)))
        if output.suffix != ".onnx":
            raise UsageError(f"--output {output} must end in .onnx")
        int8 = output.with_name(f"{output.stem}-int8.onnx")
        return cls(output, int8, output.with_suffix(".json"))

    def write(self, models: Mapping[str, bytes], report: dict[str, Any]) -> None:
        """Write "model" and "int8", and the report.

        A model of an earlier export that is not among `models` is removed: the report speaks of
        it no more.
        """
        for name in ("model", "int8"):
            if name not in models:
                getattr(self, name).unlink(missing_ok=True)
        write_atomically(self.report, to_json(report))
        for name, data in models.items():
            write_atomically(getattr(self, name), data)
