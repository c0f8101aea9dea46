"""Names lie: bytes decide which file is meant, in every folder that people really have."""

import errno
import gzip
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fashion_cnn.cli import main
from fashion_cnn.commands import command
from fashion_cnn.data import adoption
from fashion_cnn.data.fashion_mnist import DataSet, find_data
from fashion_cnn.data.files import FILES
from fashion_cnn.data.manifest import Contents
from fashion_cnn.run.command import run_command
from fashion_cnn.text import visible
from opened import load_training
from shapes import write_idx


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_idx(tmp_path / "own", 3)


def whole(folder: Path, name: str) -> bytes:
    return gzip.decompress((folder / f"{name}.gz").read_bytes())


def unpacked_but_called_gz(folder: Path, name: str) -> None:
    (folder / f"{name}.gz").write_bytes(whole(folder, name))


def packed_without_a_suffix(folder: Path, name: str) -> None:
    (folder / f"{name}.gz").rename(folder / name)


def with_a_dot(folder: Path, name: str) -> None:
    (folder / f"{name}.gz").rename(folder / name.replace("-idx", ".idx"))


def downloaded_twice(folder: Path, name: str) -> None:
    (folder / f"{name}.gz").rename(folder / f"{name} (1).gz")


def in_a_folder_of_its_name(folder: Path, name: str) -> None:
    data = whole(folder, name)
    (folder / f"{name}.gz").unlink()
    (folder / name).mkdir()
    (folder / name / name).write_bytes(data)


def beside_a_broken_one(folder: Path, name: str) -> None:
    packed = (folder / f"{name}.gz").read_bytes()
    (folder / name).write_bytes(gzip.decompress(packed))
    (folder / f"{name}.gz").write_bytes(packed[: len(packed) // 2])


WAYS = [unpacked_but_called_gz, packed_without_a_suffix, with_a_dot, downloaded_twice,
        in_a_folder_of_its_name, beside_a_broken_one]  # fmt: skip


@pytest.mark.parametrize("change", WAYS, ids=lambda way: way.__name__)
def test_what_fits_is_taken_whatever_it_is_called(own: Path, change, capsys) -> None:
    wanted = whole(own, FILES[0])
    for name in FILES:
        change(own, name)
    assert main(["data", "adopt", "own"]) == 0
    assert load_training(own).images.tobytes() == wanted[16:]
    assert main(["data", "verify", "--data-dir", "own"]) == 0
    said = capsys.readouterr().err
    assert ("passed over: own/train-labels" in said) == (change is beside_a_broken_one)


def test_a_recorded_file_is_told_from_another_beside_it(own: Path, capsys) -> None:
    assert main(["data", "adopt", "own"]) == 0
    other = write_idx(own.parent / "other", 5)
    (own / FILES[1]).write_bytes(whole(own, FILES[1]))
    shutil.copy(other / f"{FILES[1]}.gz", own)
    assert DataSet.open(own).training().labels.max() == 2
    capsys.readouterr()
    assert main(["data", "verify", "--data-dir", "own"]) == 0
    assert f"passed over: own/{FILES[1]}.gz is not own's" in capsys.readouterr().err
    (own / "dataset.json").unlink()
    assert main(["data", "adopt", "own"]) == 3
    assert "differ; remove the wrong one" in capsys.readouterr().err


def test_torchvisions_folder_is_entered(tmp_path) -> None:
    write_idx(tmp_path / "root/FashionMNIST/raw", 3)
    assert find_data(tmp_path / "root") == tmp_path / "root/FashionMNIST/raw"
    write_idx(tmp_path / "root", 3)
    assert find_data(tmp_path / "root") == tmp_path / "root", "what is there itself goes first"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_of_classes_in_any_usual_encoding(own: Path, encoding: str) -> None:
    (own / "classes.txt").write_bytes("hüt\r\nおき\r\nc\r\n".encode(encoding))
    assert main(["data", "adopt", "own"]) == 0
    assert DataSet.open(own).contents.class_names == ("hüt", "おき", "c")


def test_paths_of_every_kind(own: Path, monkeypatch, capsys) -> None:
    """Blanks, other letters, ~ where no shell sees it, a slash at the end: and pasted again."""
    home = own.parent / "my höme"
    home.mkdir()
    own.rename(home / "my 'data'")
    monkeypatch.setenv("HOME", str(home))
    assert main(["data", "adopt", "~/my 'data'/"]) == 0
    said = capsys.readouterr().err
    words = shlex.split(said.split("train on it with: ")[1])
    *before, folder = words[:4]
    assert before == ["fashion-cnn", "train", "--data-dir"]
    assert words[4] == "fast", "and flags for so few images"
    assert DataSet.open(Path(folder)).contents.name == "my 'data'"
    monkeypatch.setenv("FASHION_CNN_DATA", "~/my 'data'")
    assert find_data() == home / "my 'data'"
    Path(folder, "dataset.json").unlink()
    assert main(["data", "verify", "--data-dir", folder]) == 3
    error = capsys.readouterr().err
    advice = shlex.split(error.split("take the files as they are with: ")[1].split(";")[0])
    assert advice == ["fashion-cnn", "data", "adopt", folder]
    assert main(advice[1:]) == 0


def test_a_variable_that_is_not_set_is_no_path(own: Path, capsys) -> None:
    """Not the folder that one is in."""
    for words in (["adopt", ""], ["verify", "--data-dir="], ["import", "own", "--output", ""]):
        assert main(["data", *words]) == 2
        assert "an empty path" in capsys.readouterr().err


def test_a_read_only_folder_is_adopted_elsewhere(own: Path, monkeypatch, capsys) -> None:
    def refuse(directory: Path, contents: Contents) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(directory / "classes.txt"))

    with monkeypatch.context() as patched:
        patched.setattr(adoption, "write_manifest", refuse)
        assert main(["data", "adopt", "own"]) == 2
    assert "own/classes.txt: Permission denied; name a new folder" in capsys.readouterr().err
    assert main(["data", "adopt", "own", "--output", "copy"]) == 0


@pytest.mark.parametrize(
    "name",
    [
        "-x",
        "--help",
        "it's mine",
        "~",
        "a\tb\nc",
        "👩\u200d👧 \u00a0",
        "\x1b[31m\\n",
        "caf\udce9",
        "$HOME `*`!",
    ],
)
def test_a_shell_gives_back_what_was_pasted(name: str, tmp_path: Path) -> None:
    """Also letters that a terminal never shows, and a name that looks like an option."""
    said = visible(command("evaluate", Path(name), "--threads"))
    assert not any(letter in said for letter in "\x1b\t\n\u200d")
    script = f"fashion-cnn() {{ printf '%s\\0' \"$@\"; }}; {said}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd=tmp_path)
    verb, path, flag, _ = os.fsdecode(done.stdout).split("\0")
    assert (verb, Path(path), flag) == ("evaluate", Path(name), "--threads")
    assert not path.startswith("-")


def test_a_command_on_a_run_names_the_data_that_it_is_of(tmp_path) -> None:
    run = tmp_path / "my run"
    assert shlex.split(run_command("evaluate", run)) == ["fashion-cnn", "evaluate", str(run)]
    run.mkdir()
    (run / "split.json").write_text('{"data_dir": "/some where/own"}')
    assert shlex.split(run_command("export", run, "--int8")) == [
        "fashion-cnn", "export", str(run), "--int8", "--data-dir", "/some where/own"
    ]  # fmt: skip
    (run / "split.json").write_text("[]")
    assert run_command("evaluate", run) == command("evaluate", run)


def test_labels_under_the_name_of_images_are_told(own: Path, capsys) -> None:
    images, labels = own / "train-images-idx3-ubyte", own / "train-labels-idx1-ubyte"
    files = [next(iter(own.glob(f"{path.name}*"))) for path in (images, labels)]
    first, second = (path.read_bytes() for path in files)
    files[0].write_bytes(second)
    files[1].write_bytes(first)
    assert main(["data", "adopt", "own"]) == 3
    said = capsys.readouterr().err
    assert "no images; are the files of images and labels named the wrong way round?" in said
