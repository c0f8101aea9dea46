"""Data files that were altered: a named error, soon, and with little memory."""

import gzip
import io
import os
import resource
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.campaign.experiment import Experiment, Trial
from fashion_cnn.data.adoption import adopt
from fashion_cnn.data.conversion import convert
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.files import FILES
from fashion_cnn.data.forms.find import read_forms
from fashion_cnn.data.holding_out import Draw
from fashion_cnn.errors import DataError
from fashion_cnn.run.dataset import describe_data

_SECONDS, _MEGABYTES = 2.0, 64
_IMAGES = 24  # of a file of another form: so few that headers are a good part of it
_UNPACKED = 130  # times as large as the file: what it may unpack to, and a third more


def _trial(trial: Trial) -> None:
    os.chdir(trial.room)
    shutil.copytree(trial.stage / "data", "data")
    path = Path("data", trial.draw.choice(FILES))
    before = path.read_bytes()
    packed = trial.draw.random() < 0.5
    content = gzip.compress(before, 1) if packed else before
    path.unlink()
    altered = _altered(trial, content, before)
    (path.with_name(f"{path.name}.gz") if packed else path).write_bytes(altered)
    print(path.name, packed, len(content), len(altered))
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        data = DataSet.open(Path("data"))
        data.verify()
        describe_data(data, None)
        assert data.read(path.name) == before, "altered, and not told"
    except DataError as error:
        print(error)
    (Path("data") / "dataset.json").unlink()  # its hashes told; now the bytes alone
    try:
        adopt(Path("data"))
    except DataError as error:
        print(error)
    spent = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    assert spent < _SECONDS, f"{spent:.1f} s"
    most = max(_MEGABYTES, _UNPACKED * len(altered) / 1e6)
    assert grown < most, f"{grown:.0f} MB"


def _form_trial(trial: Trial) -> None:
    os.chdir(trial.room)
    images = DataSet.open(trial.stage / "data").training().images[:_IMAGES]
    files = _in_a_form(trial.draw.choice(("npy", "npz", "csv", "parquet")), images)
    Path("in").mkdir()
    chosen = trial.draw.choice(list(files))
    for name, content in files.items():
        data = _altered(trial, content, content) if name == chosen else content
        Path("in", name).write_bytes(data)
    print(chosen, len(files[chosen]), Path("in", chosen).stat().st_size)
    began = _processor_seconds()
    try:
        convert(read_forms([Path("in")]), Path("out"), Draw())
        DataSet.open(Path("out")).verify()
    except DataError as error:
        print(error)
    assert (spent := _processor_seconds() - began) < _SECONDS, f"{spent:.1f} s"


def _in_a_form(form: str, images: np.ndarray[Any, Any]) -> dict[str, bytes]:
    """The files of a small data set of two classes."""
    labels, file = np.arange(len(images)) % 2, io.BytesIO()
    rows = images.reshape(len(images), -1)
    if form == "npy":
        pair = {"x_train.npy": io.BytesIO(), "y_train.npy": io.BytesIO()}
        for one, array in zip(pair.values(), (images, labels), strict=True):
            np.save(one, array)
        return {name: one.getvalue() for name, one in pair.items()}
    if form == "npz":
        np.savez_compressed(file, x_train=images, y_train=labels)
    elif form == "csv":
        np.savetxt(file, np.column_stack([labels, rows]), "%d", ",")
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"image": rows.tolist(), "label": labels}), file)
    return {f"train.{form}": file.getvalue()}


def _processor_seconds() -> float:
    """Of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _altered(trial: Trial, content: bytes, plain: bytes) -> bytes:
    """One of ten ways to alter a file."""
    draw, altered = trial.draw, bytearray(content)
    place = draw.randrange(len(content))
    match trial.number % 10:
        case 0 | 1:
            for _ in range(draw.choice((1, 1, 2, 50))):
                altered[draw.randrange(len(altered))] ^= 1 << draw.randrange(8)
        case 2:
            del altered[place:]
        case 3:
            altered[place:place] = draw.randbytes(draw.choice((1, 16, 5_000)))
        case 4:
            del altered[place : place + draw.choice((1, 16, 5_000))]
        case 5:
            altered[: draw.choice((4, 16, 64))] = draw.randbytes(draw.choice((4, 16, 64)))
        case 6:  # a header that promises something else
            sides = [draw.choice((0, 1, 28, 2**16, 2**31, 2**32 - 1)) for _ in range(3)]
            head = struct.pack(">4B3I", 0, 0, draw.choice((8, 9, 11, 12, 13, 14)), 3, *sides)
            altered = bytearray(gzip.compress(head + plain[16:]) if draw.random() < 0.5 else head)
        case 7:  # zeros without end
            head = struct.pack(">4B3I", 0, 0, 8, 3, 10**6, 28, 28)
            altered = bytearray(gzip.compress(head) + gzip.compress(bytes(8 << 20)) * 97)
        case 8:  # empty members without end
            altered = bytearray(gzip.compress(b"") * draw.choice((10, 5_000, 150_000)))
        case _:
            altered = bytearray(draw.choice((b"", b"<html>", b"PK\3\4", b"\x1f\x8b", b"\0\0\x08")))
    return bytes(altered)


DATA = Experiment(
    "data",
    "An IDX file, plain or packed, altered: told by its hash, and without one read as what it is "
    "or refused, in 2 s of processor time, and 64 MB or what so large a file may unpack to",
    2_000,
    _trial,
)
FORMS = Experiment(
    "forms",
    "A npy, npz, CSV or Parquet file, altered: read as a data set, or refused by a named error, in "
    "2 s of processor time",
    500,
    _form_trial,
)
