"""Data sets in other people's forms, damaged: told as that, in a line, and never by a traceback."""

import errno
import io
import os
import random
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fashion_cnn.cli import main
from fashion_cnn.data.conversion import convert
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.forms import parquet_process
from fashion_cnn.data.forms.find import read_forms
from fashion_cnn.data.forms.labelled import to_labels
from fashion_cnn.data.forms.numpy_archive import read_npy
from fashion_cnn.data.holding_out import Draw
from fashion_cnn.data.idx import to_idx
from fashion_cnn.data.randomness import stream
from fashion_cnn.errors import DataError

IMAGES = stream(0, "damaged").integers(0, 256, (20, 28, 28)).astype(np.uint8)
LABELS = np.arange(20) % 2


@pytest.fixture(autouse=True)
def folder(elsewhere) -> None:
    Path("in").mkdir()


def refused(capsys, code: int = 3) -> str:
    """Adopt what is in the folder. Returns the one line that says why not."""
    assert main(["data", "adopt", "in", "--output", "out"]) == code
    assert not Path("out").exists()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "fashion-cnn: " in line]
    assert len(line) < 500
    return line


def npz(path: Path | io.BytesIO, **others) -> None:
    np.savez(path, **{"x_train": IMAGES, "y_train": LABELS} | others)


def npy(header: str, content: bytes = bytes(784)) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 28, 28)}",
        "{'descr': (), 'fortran_order': False, 'shape': (1, 28, 28)}",
        "-" * 9_000,
        "(" * 9_000,
        "+".join("1" * 4_000),
        "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "-" * 3_000 + "1, 28, 28)}",
        "{'descr': '" + "x" * 9_000 + "', 'fortran_order': False, 'shape': (1, 28, 28)}",
    ],
    ids=["true", "no type", "minus", "open", "sum", "minus sides", "long type"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
def test_a_header_that_is_none_of_numpys(header: str, packed: bool, capsys) -> None:
    if packed:
        with zipfile.ZipFile("in/some.npz", "w") as archive:
            archive.writestr("x_train.npy", npy(header))
    else:
        Path("in/x_train.npy").write_bytes(npy(header))
    assert "is damaged (" in refused(capsys)


def test_a_small_array_that_promises_a_large_one_takes_no_memory(capsys) -> None:
    shape = "{'descr': '|u1', 'fortran_order': False, 'shape': (2000000, 28, 28)}"
    Path("in/x_train.npy").write_bytes(npy(shape))
    tracemalloc.start()
    try:
        assert "cut short: 784 of 1568000000 bytes" in refused(capsys)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
def test_a_long_header_takes_no_memory(packed: bool, capsys) -> None:
    """In the second version of numpy's format a header may be said to have 4 GiB."""
    start = b"\x93NUMPY\2\0" + struct.pack("<I", 100_000_000)
    if packed:
        method = zipfile.ZIP_DEFLATED
        with (
            zipfile.ZipFile("in/some.npz", "w", method) as archive,
            archive.open("x_train.npy", "w") as member,
        ):
            member.write(start)
            for _ in range(100):
                member.write(b" " * 1_000_000)
    else:
        Path("in/x_train.npy").write_bytes(start + b" " * 100_000_000)
    tracemalloc.start()
    try:
        assert "is damaged (its header has 100,000,000 bytes; numpy reads" in refused(capsys)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_the_name_of_an_array_forges_no_line(capsys) -> None:
    with zipfile.ZipFile("in/some.npz", "w") as archive:
        archive.writestr("x\nfashion-cnn: all is well" + "l" * 100 + ".npy", b"no array")
    assert r"some.npz, x\nfashion-cnn: all is well" in refused(capsys)
    np.savez("in/some.npz", **{"a\nb": IMAGES, "c" * 9_000: IMAGES})
    assert r"has the arrays a\nb, ccc" in refused(capsys)


def test_both_versions_of_numpys_format_are_read() -> None:
    for version in ((1, 0), (2, 0)):
        with Path("some.npy").open("wb") as file:
            np.lib.format.write_array(file, IMAGES, version)
        assert (read_npy(Path("some.npy")) == IMAGES).all()


def test_an_archive_whose_index_is_said_to_be_elsewhere(capsys) -> None:
    whole = io.BytesIO()
    npz(whole)
    data = whole.getvalue()
    place = int.from_bytes(data[-6:-2], "little") + 1_000  # so that the arrays begin before 0
    Path("in/some.npz").write_bytes(data[:-6] + struct.pack("<I", place) + data[-2:])
    assert "some.npz is damaged (" in refused(capsys)


def test_a_failing_disk_is_no_damaged_file(monkeypatch, capsys) -> None:
    npz(Path("in/some.npz"))

    def failing(*arguments) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(zipfile.ZipFile, "open", failing)
    assert "in/some.npz: Input/output error" in refused(capsys, code=7)


def table(path: Path | io.BytesIO, **how) -> None:
    cells = [image.ravel().tolist() for image in IMAGES]
    parquet.write_table(pa.table({"image": cells, "label": LABELS}), path, **how)


def test_parquet_with_an_index_that_cannot_be_read(capsys) -> None:
    whole = io.BytesIO()
    table(whole)
    data = whole.getvalue()
    length = int.from_bytes(data[-8:-4], "little")
    index = len(data) - 8 - length
    for altered in (
        data[:index] + b"\xff" * length + data[-8:],
        data.replace(b"label", b"\xff\xfe\xff\xfe\xff"),  # no UTF-8
        data[:4] + bytes(index - 4) + data[index:],  # pages of zeros
        data[:4] + data[-8:],
    ):
        Path("in/train.parquet").write_bytes(altered)
        assert "train.parquet is damaged (" in refused(capsys)


@pytest.mark.parametrize(
    ("does", "code", "why"),
    [
        ("os.abort()", 3, "is damaged (it ends the process that reads it, status -6)"),
        ("print('what(): mismatch', file=sys.stderr); os.abort()", 3, "status -6"),
        ("os.kill(os.getpid(), 9)", 7, "was killed; is there too little memory?"),
        ("raise OSError(5, 'Input/output error')", 7, "train.parquet: Input/output error"),
        ("raise OSError('Corrupt data\\n')", 3, "train.parquet is damaged (Corrupt data)"),
        ("raise MemoryError", 3, "train.parquet is damaged (MemoryError)"),
    ],
)
@pytest.mark.parametrize("at", ["    groups =", "        writer.write_batch"])
def test_the_process_that_reads_parquet_fails_alone(
    does: str, code: int, why: str, at: str, monkeypatch, capsys
) -> None:
    script = parquet_process._CHILD.read_text().replace("import json", "import json, os", 1)
    assert script.count(at) == 1
    Path("child.py").write_text(script.replace(at, f"{at[: -len(at.lstrip())]}{does}\n{at}"))
    monkeypatch.setattr(parquet_process, "_CHILD", Path("child.py"))
    table(Path("in/train.parquet"))
    assert why in refused(capsys, code)


def test_parquet_that_unpacks_to_more_than_it_says_takes_no_memory(monkeypatch, capsys) -> None:
    cells = pa.DictionaryArray.from_arrays([0] * 300, pa.array([bytes(8_000_000)], pa.binary()))
    whole = io.BytesIO()
    parquet.write_table(
        pa.table({"image": cells, "label": [0] * 300}), whole, store_schema=False,
        compression="zstd", dictionary_pagesize_limit=1 << 30,
    )  # fmt: skip
    size = parquet.ParquetFile(whole).metadata.row_group(0).column(0).total_uncompressed_size
    stated = bytes([size * 2 >> 7 * place & 127 | 128 for place in range(3)]) + bytes([size >> 20])
    assert whole.getvalue().count(stated) == 1
    altered = whole.getvalue().replace(stated, b"\xff\x81\x80\x00")
    Path("in/train.parquet").write_bytes(altered)
    script = parquet_process._CHILD.read_text()
    Path("child.py").write_text(script.replace("= 4 << 30", "= 1 << 30"))
    monkeypatch.setattr(parquet_process, "_CHILD", Path("child.py"))
    assert "alloc of size " in refused(capsys)


def test_parquet_of_other_rows_than_it_says(monkeypatch, capsys) -> None:
    script = parquet_process._CHILD.read_text()
    monkeypatch.setattr(parquet_process, "_CHILD", Path("child.py"))
    table(Path("in/train.parquet"))
    for said, why in (("19", "more rows than its 19"), ("21", "fewer rows than its 21")):
        Path("child.py").write_text(script.replace("file.metadata.num_rows,", f"{said},"))
        assert why in refused(capsys)


def test_parquet_with_columns_that_do_not_go_together(capsys) -> None:
    pixels = [pa.array(IMAGES.reshape(-1, 784)[:, place]) for place in range(784)]
    names = [f"p{place}" for place in range(784)]
    times = pa.array(range(20), pa.timestamp("s"))
    for columns, said in (
        ([*pixels[1:], times, pa.array(LABELS)], names),
        ([*pixels, pa.array(LABELS)], [*names[1:], "p5"]),  # a name twice
        ([*pixels, pa.array([2**63] * 20, pa.uint64())], names),
    ):
        written = pa.Table.from_arrays(columns, names=[*said, "label"])
        parquet.write_table(written, "in/train.parquet")
        assert "in/train.parquet" in refused(capsys)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kmnist_classmap.csv", "index,codepoint,char\n0,U+304A,a\n1\n"),
        ("kmnist_classmap.csv", "codepoint,char,index\nU+304A,a,0\nU+304B\n"),
        ("kmnist_classmap.csv", "index,char\n0," + "a" * 200_000 + "\n1,b\n"),
        ("emnist-mapping.txt", "0 97\n1 99999999999999999999\n"),
    ],
    ids=["no name", "no number", "long", "no letter"],
)
def test_names_of_classes(name: str, content: str, capsys) -> None:
    npz(Path("in/some.npz"))
    Path("in", name).write_text(content)
    refused(capsys)


def test_numbers_beyond_all_labels_and_pixels(capsys) -> None:
    for kind, value in ((np.float16, np.inf), (np.float32, np.nan), (np.float64, -1e300)):
        with pytest.raises(DataError, match="no whole numbers from 0 on"):
            to_labels(np.array([0, value], kind), 2, "here")
    assert to_labels(np.array([0, 7], np.float16), 2, "here").tolist() == [0, 7]
    row = ",".join(["0"] * 783)
    Path("in/train.csv").write_text(f"0,1e300,{row}\n1,-1e300,{row}\n")
    assert "train.csv has pixels from" in refused(capsys)


def as_csv() -> bytes:
    rows = np.column_stack([LABELS, IMAGES.reshape(-1, 784)])
    return "\n".join(",".join(map(str, row)) for row in rows).encode()


def as_bytes(write: Callable[..., None], *arguments) -> bytes:
    file = io.BytesIO()
    write(file, *arguments)
    return file.getvalue()


FORMS = {
    "npy": (150, {"x.npy": as_bytes(np.save, IMAGES), "y.npy": as_bytes(np.save, LABELS)}),
    "npz": (300, {"some.npz": as_bytes(npz)}),
    "csv": (100, {"train.csv": as_csv()}),
    "idx": (150, {"images-train": to_idx(IMAGES), "labels-train": to_idx(LABELS.astype(np.int16))}),
    "parquet": (6, {"train.parquet": as_bytes(table)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_altered_anyhow_it_is_read_or_refused(form: str) -> None:
    rounds, files = FORMS[form]
    draw = random.Random(form)
    for _ in range(rounds):
        chosen = draw.choice(list(files))
        for name, content in files.items():
            data = altered(content, draw) if name == chosen else content
            Path("in", name).write_bytes(data)
        try:
            contents = convert(read_forms([Path("in")]), Path("out"), Draw())
        except DataError:
            continue
        read = DataSet.open(Path("out"))
        for part, split in (("train", read.training()), ("test", read.test())):
            assert split.images.shape == (contents.count(part), 28, 28)
            assert {*split.labels.tolist()} <= {*range(len(contents.class_names))}
        shutil.rmtree("out")


def altered(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut out or put in some bytes, most of them where headers and indices are."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 3))):
        size = len(data)
        first, last = draw.randrange(200), size - 1 - draw.randrange(300)
        place = draw.choice((draw.randrange(size), min(first, size - 1), max(last, 0)))
        match draw.randrange(6):
            case 0 | 1:
                data[place] ^= 1 << draw.randrange(8)
            case 2:
                data[place] = draw.choice(b"0123456789-+.,()[]{}'\n\xff\0")
            case 3:
                data[place : place + draw.choice((1, 16))] = b"0"
            case 4:
                data[place:place] = draw.randbytes(draw.choice((1, 16)))
            case _:
                data[place + 1 :] = data[place + 1 :][: draw.randrange(300)]
    return bytes(data)
