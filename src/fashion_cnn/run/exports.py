"""The exported model of a run on disk: the ONNX files and `export.json`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.files import (
    MOST_TEXT,
    check_place,
    read_bytes,
    read_json,
    to_json,
    write_atomically,
)
from fashion_cnn.run.folder import Run
from fashion_cnn.run.typed import decode

_MODEL, _INT8, _REPORT = "model.onnx", "model-int8.onnx", "export.json"
_MADE_BY = b'{"fashion_cnn": "'  # of the facts that go into each file


@dataclass(frozen=True)
class _Model:
    sha256: str


@dataclass(frozen=True)
class _Report:
    sha256: str
    int8: _Model | None = None


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
            UsageError: `output` has another ending or no folder, or another file would be replaced.
        """
        if output is None:
            return cls(*(run.path / name for name in (_MODEL, _INT8, _REPORT)))
        if output.suffix != ".onnx":
            raise UsageError(f"--output {output} must end in .onnx")
        files = cls.beside(output)
        if files.model.name != output.name:
            raise UsageError(f"--output {output} is the name of an int8 variant; give another")
        check_place(output)
        for path, what in (
            (files.report, "the report on the export"),
            (files.int8, "the int8 variant"),
            (files.model, "the model"),
        ):
            is_ours = _is_report if path == files.report else _is_model
            if os.path.lexists(path) and not is_ours(path):
                raise UsageError(
                    f"{path}, where {what} goes, is another file, of no export here; give another "
                    "--output"
                )
        return files

    @classmethod
    def beside(cls, model: Path) -> "ExportFiles":
        """Those among which a file of a model is, by its name."""
        if model.name in (_MODEL, _INT8):
            return cls(*(model.with_name(name) for name in (_MODEL, _INT8, _REPORT)))
        name = model.stem.removesuffix("-int8")
        return cls(*(model.with_name(f"{name}{end}") for end in (".onnx", "-int8.onnx", ".json")))

    def sha256_of(self, model: Path) -> str | None:
        """What the report says of one of the two models; None if there is no report.

        Raises:
            ModelError: the report is damaged, or is not of that model.
        """
        if not os.path.lexists(self.report):
            return None
        try:
            if self.report.name != _REPORT and not _is_report(self.report):
                return None  # a file of somebody's that has the model's name
            report = decode(_Report, read_json(self.report))
        except (UsageError, ValueError) as error:
            raise ModelError(f"{self.report} is not as it was written ({error})") from None
        if model != self.int8:
            return report.sha256
        if report.int8 is None:
            raise ModelError(
                f"{model} is not of the export in {self.report}, which has no int8 model; make it "
                "again with: fashion-cnn export RUN --int8"
            )
        return report.int8.sha256

    def write(self, models: Mapping[str, bytes], report: dict[str, Any]) -> None:
        """Write "model" and "int8", and the report.

        A model of an earlier export that is not among `models` is removed: the report speaks of
        it no more. But where there is nothing to put into the place of one that somebody gave a
        name of their own, it stays with its report.
        """
        if not models and self.report.name != _REPORT and os.path.lexists(self.model):
            return
        for name in ("model", "int8"):
            if name not in models:
                getattr(self, name).unlink(missing_ok=True)
        write_atomically(self.report, to_json(report))
        for name, data in models.items():
            write_atomically(getattr(self, name), data)


def _is_report(path: Path) -> bool:
    """Whether a file is a report on an export, if only a damaged one."""
    try:
        data = read_bytes(path, UsageError, MOST_TEXT)
        known = b'"parity"' in data and b'"sha256"' in data
        return known and data.lstrip().startswith(b"{")
    except UsageError:
        return False


def _is_model(path: Path) -> bool:
    """Whether a file says that it was exported here, as all do, the int8 variants too."""
    try:
        return _MADE_BY in read_bytes(path, UsageError)
    except UsageError:
        return False
