"""Files that may be anything, and folders that come from somebody else."""

import dataclasses
import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fashion_cnn import api
from fashion_cnn.cli import main
from fashion_cnn.data.adoption import adopt
from fashion_cnn.errors import CheckpointError, DataError, ModelError, UsageError
from fashion_cnn.files import (
    MOST_TEXT,
    from_json,
    read_bytes,
    read_fields,
    read_json,
    read_text,
    to_json,
    write_atomically,
    write_durably,
)
from fashion_cnn.recipes.recipe import MOST_EPOCHS
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord, history_to_csv, read_history
from fashion_cnn.run.lock import hold
from fashion_cnn.run.log import append_entry, read_entries, to_line
from fashion_cnn.run.weights import read_weights
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from finished import finished_run
from shapes import write_idx


@pytest.fixture(autouse=True)
def _soon():
    """A reader that waits for a pipe would wait for ever."""
    signal.alarm(20)
    yield
    signal.alarm(0)


def test_a_file_may_have_as_many_bytes_as_allowed_and_no_more(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, DataError, 5) == b"12345"
    with pytest.raises(DataError, match=r"file has more than 4 bytes"):
        read_bytes(path, DataError, 4)


READERS = [
    (lambda path: read_json(path), UsageError),
    (lambda path: read_text(path, CheckpointError), CheckpointError),
    (read_history, UsageError),
    (read_weights, ModelError),
    (OnnxClassifier.open, ModelError),
    (lambda path: Run(path.parent).events(), UsageError),
]


@pytest.mark.parametrize(("read", "fault"), READERS)
def test_no_reader_waits_for_a_pipe_or_reads_a_device_to_its_end(tmp_path, read, fault) -> None:
    path = tmp_path / "log.jsonl"  # one name that every reader takes
    os.mkfifo(path)
    with pytest.raises(fault, match="log.jsonl is not a plain file"):
        read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(fault, match="log.jsonl is not a plain file"):
        read(path)


def test_text_that_is_not_utf_8_is_named(tmp_path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"history.csv is not UTF-8 text"):
        read_history(path)


@pytest.mark.parametrize(
    "read", [read_json, read_fields, read_history, lambda path: Run(path.parent).events()]
)
def test_text_takes_many_times_its_size_and_may_have_less_of_it(tmp_path, read) -> None:
    path = tmp_path / "log.jsonl"
    path.touch()
    os.truncate(path, MOST_TEXT + 1)
    with pytest.raises(UsageError, match=r"log.jsonl has more than 16,777,216 bytes"):
        read(path)
    with pytest.raises(CheckpointError, match=r"state has more than 16,777,216 bytes"):
        from_json(path.read_bytes(), "state", CheckpointError)


@pytest.mark.parametrize("name", ["recipe.json", "environment.json", "split.json", "layers.json"])
def test_what_a_run_writes_once_is_small(tmp_path, name: str) -> None:
    run = Run(tmp_path)
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, (1 << 22) + 1)
    with pytest.raises(UsageError, match=f"{name} has more than 4,194,304 bytes"):
        getattr(run, name.removesuffix(".json"))


def test_a_log_of_lines_without_end_is_refused(tmp_path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\n" * 250_001)
    with pytest.raises(UsageError, match=r"log.jsonl has more than 250,000 lines"):
        Run(tmp_path).events()


TOML = {
    "lists in lists": f"epochs = {'[' * 5_000}",
    "digits": f"epochs = {'1' * 5_000}",
    "parts of a key": f"{'a.' * 40_000}a = 1",
}


@pytest.mark.parametrize("kind", TOML)
def test_toml_that_its_parser_chokes_on_is_named(tmp_path, kind: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TOML[kind])
    with pytest.raises(UsageError, match=r"recipe.toml (is not valid TOML|has more than 32,768 b)"):
        read_fields(path)


def test_a_step_of_the_log_that_is_no_number_is_cut_off_at_once(tmp_path) -> None:
    run = Run(tmp_path)
    steps = ["x", 1.5, True, [1], None, -1, 10**15, 10**15 + 1]
    lines = [to_line({"event": "epoch", "step": step}) for step in steps]
    (tmp_path / "log.jsonl").write_bytes(b"".join([*lines, to_line({"event": "started"})]))
    run.cut_back(10**15, [])
    assert run.events() == [{"event": "epoch", "step": 10**15}, {"event": "started"}]


RECORD = EpochRecord(1, 10, 1e-3, 1.0, 0.5, 1.0, 0.5, 1.0, 100.0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("epoch", -1),
        ("step", 10**26),
        ("val_loss", 1e308),
        ("train_loss", -1e308),
        ("train_loss", float("inf")),
        ("learning_rate", float("nan")),
        ("val_accuracy", 1.5),
        ("train_accuracy", -0.1),
        ("seconds", 1e31),
    ],
)
def test_a_history_of_no_training_is_refused(tmp_path, column: str, value: float) -> None:
    path = tmp_path / "history.csv"
    path.write_text(history_to_csv([dataclasses.replace(RECORD, **{column: value})]))
    with pytest.raises(UsageError, match=rf"history.csv is not .* \({column} is "):
        read_history(path)


def test_a_history_has_no_more_epochs_than_a_recipe(tmp_path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(history_to_csv([RECORD] * MOST_EPOCHS))
    assert len(read_history(path)) == MOST_EPOCHS
    path.write_text(history_to_csv([RECORD] * (MOST_EPOCHS + 1)))
    with pytest.raises(UsageError, match=r"history.csv is not .* \(it has more than 30,000 epochs"):
        read_history(path)


def test_what_the_longest_training_writes_can_be_read(tmp_path) -> None:
    """A record of figures of all digits, as the log, the history and a checkpoint's state have."""
    long = 1.2345678901234567e-100
    record = EpochRecord(MOST_EPOCHS, 2**53, long, long, long, long, long, long, long)
    fields = dataclasses.asdict(record)
    append_entry(tmp_path / "log.jsonl", "epoch", fields)
    state = to_json({"history": [fields] * 2})[len(to_json({"history": [fields]})) :]
    for written in (tmp_path / "log.jsonl").read_bytes(), history_to_csv([record]).encode(), state:
        assert len(written) * MOST_EPOCHS < MOST_TEXT


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_what_is_no_fault_of_the_file_is_not_called_one(tmp_path, monkeypatch, number) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")

    def failing(*arguments, **words):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        read_bytes(path, CheckpointError)
    assert (caught.value.errno, caught.value.filename) == (number, str(path))


@pytest.fixture
def victim(tmp_path) -> Path:
    """A file that the person would miss."""
    path = tmp_path / "precious"
    path.write_text("precious\n")
    return path


def test_writing_follows_no_link(tmp_path, victim, monkeypatch) -> None:
    target = tmp_path / "file"
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0" * 2 * count)
    (temporary := tmp_path / f".file.{'0' * 16}.tmp").symlink_to(victim)
    target.symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomically(target, b"new")
    assert victim.read_text() == "precious\n"
    temporary.unlink(missing_ok=True)
    write_atomically(target, b"new")
    assert victim.read_text() == "precious\n"
    assert (target.read_bytes(), target.is_symlink()) == (b"new", False)
    (tmp_path / "other").symlink_to(victim)
    write_durably(tmp_path / "other", b"new")
    assert victim.read_text() == "precious\n"


def test_those_who_write_one_file_at_once_do_not_meet(tmp_path, monkeypatch) -> None:
    """Two workers of a search: one writes while the other one is about to put its own in place."""
    target, replace = tmp_path / "search.json", os.replace

    def meanwhile(one: Path, other: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        write_atomically(target, b"theirs")
        assert target.read_bytes() == b"theirs"
        replace(one, other)

    monkeypatch.setattr(os, "replace", meanwhile)
    write_atomically(target, b"ours")
    assert target.read_bytes() == b"ours"
    assert os.listdir(tmp_path) == ["search.json"]


def test_what_is_no_folder_is_named_as_it_was_given(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory") as raised:
        write_atomically(tmp_path / "file/out.json", b"")
    assert raised.value.filename == f"{tmp_path}/file/out.json"


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("export a --output no/x.onnx --int8", "no/x.onnx"),
        ("export a b --output no/x.onnx", "no/x.onnx"),
        ("report a --output no/x.html --map", "no/x.html"),
        ("compare a b --page no/x.html", "no/x.html"),
        ("compare a b --plot no/x.png", "no/x.png"),
        ("compare a b --table no/x.csv", "no/x.csv"),
        ("compare a b --csv no/x.csv", "no/x.csv"),
        ("benchmark infer a --json no/x.json", "no/x.json"),
    ],
)
def test_a_missing_folder_is_told_before_the_work(
    tmp_path, few_data, monkeypatch, capsys, words: str, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    for place, name in enumerate("ab"):
        finished_run(tmp_path / name, seed=place)
    opened = [len(Run(tmp_path / name).events()) for name in "ab"]
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        f"fashion-cnn: {file} cannot be written, as there is no folder no; make it first, or name "
        "another file\n",
    )
    assert [len(Run(tmp_path / name).events()) for name in "ab"] == opened
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_page_of_a_comparison_needs_a_folder_before_its_images(tmp_path) -> None:
    runs = [finished_run(tmp_path / name, seed=seed)[0] for seed, name in enumerate("ab")]
    with pytest.raises(UsageError, match="no folder no"):
        api.compare(*runs).page("no/page.html", data=tmp_path)


def test_a_pipe_gets_what_is_written_and_stays_one(tmp_path) -> None:
    path, content = tmp_path / "pipe", bytes(1 << 18)  # more than a pipe holds
    os.mkfifo(path)
    with pytest.raises(UsageError, match="pipe is a pipe that nobody reads"):
        write_atomically(path, content)
    with (
        (tmp_path / "read").open("wb") as file,
        subprocess.Popen(["cat", path], stdout=file),
        path.open("wb"),  # waits for the reader
    ):
        write_atomically(path, content)
    assert (tmp_path / "read").read_bytes() == content
    assert stat.S_ISFIFO(path.lstat().st_mode)


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/../dev/null"])
def test_a_device_is_written_into(name: str) -> None:
    before = os.stat(name)
    if name == "/dev/full":
        with pytest.raises(OSError, match="No space left on device") as caught:
            write_atomically(Path(name), b"new")
        assert caught.value.filename == name
    else:
        write_atomically(Path(name), b"new")
    assert (os.stat(name).st_ino, os.stat(name).st_rdev) == (before.st_ino, before.st_rdev)


def test_standard_output_is_written_on_where_it_stands(tmp_path) -> None:
    """Also where the shell sends it into a file: what was printed before stays."""
    code = (
        "import sys; from pathlib import Path; from fashion_cnn.files import write_atomically\n"
        "print('before', flush=True); write_atomically(Path(sys.argv[1]), b'new\\n')\n"
        "print('after')"
    )
    for name, stream in (("/dev/stdout", "stdout"), ("/dev/stderr", "stderr")):
        with (tmp_path / stream).open("wb") as file:
            files = {"stdout": subprocess.PIPE, stream: file}
            subprocess.run([sys.executable, "-c", code, name], check=True, **files)
    assert (tmp_path / "stdout").read_text() == "before\nnew\nafter\n"
    assert (tmp_path / "stderr").read_text() == "new\n"


def test_a_socket_and_a_device_that_lies_about_are_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as lying:
        lying.bind("run.sock")
        with pytest.raises(UsageError, match="run.sock is a device or a socket, and is left alone"):
            write_atomically(Path("run.sock"), b"new")
    assert stat.S_ISSOCK(Path("run.sock").lstat().st_mode)
    Path("disk").touch()
    monkeypatch.setattr(stat, "S_IFMT", lambda mode: stat.S_IFBLK)
    with pytest.raises(UsageError, match="disk is a device or a socket, and is left alone"):
        write_atomically(Path("disk"), b"new")


def test_a_log_that_is_a_link_is_not_appended_to(tmp_path, victim) -> None:
    (tmp_path / "log.jsonl").symlink_to(victim)
    with pytest.raises(UsageError, match=r"log.jsonl is a link; .* remove it"):
        append_entry(tmp_path / "log.jsonl", "started", {})
    assert victim.read_text() == "precious\n"


def test_adopting_a_folder_writes_through_no_link(tmp_path, victim) -> None:
    folder = write_idx(tmp_path / "three", 3, 6, test=3)
    (folder / "classes.txt").unlink(missing_ok=True)
    (folder / "classes.txt").symlink_to(tmp_path / "new")
    (folder / "dataset.json").symlink_to(victim)
    adopt(folder)
    assert victim.read_text() == "precious\n"
    assert not (tmp_path / "new").exists()
    assert (folder / "classes.txt").read_text() == "0\n1\n2\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_log_that_is_no_file_is_not_waited_for(tmp_path, make) -> None:
    make(tmp_path / "log.jsonl")
    with pytest.raises(UsageError, match=r"log.jsonl is not a plain file, and so no log; remove"):
        append_entry(tmp_path / "log.jsonl", "started", {})


def test_a_log_that_has_another_name_is_copied_first(tmp_path, victim) -> None:
    os.link(victim, tmp_path / "log.jsonl")
    for event in ("started", "epoch"):
        append_entry(tmp_path / "log.jsonl", event, {})
    assert victim.read_text() == "precious\n"
    first, *events = (tmp_path / "log.jsonl").read_text().splitlines()
    assert first == "precious"
    assert [json.loads(line)["event"] for line in events] == ["started", "epoch"]


@pytest.mark.parametrize("make", [os.symlink, os.link, lambda _, path: os.mkfifo(path)])
def test_a_lock_that_is_somebody_s_file_is_left_alone(tmp_path, victim, make) -> None:
    make(victim, tmp_path / ".lock")
    before = stat.S_IFMT(os.lstat(tmp_path / ".lock").st_mode)
    with (
        pytest.raises(UsageError, match=r"\.lock .*(remove it|move it elsewhere)"),
        hold(tmp_path / ".lock"),
    ):
        pytest.fail("it was held")
    assert victim.read_text() == "precious\n"
    assert stat.S_IFMT(os.lstat(tmp_path / ".lock").st_mode) == before


@pytest.mark.parametrize(
    ("text", "place"),
    [("", os.link), ("123\n", os.link), (f"{'0' * 32}\n\nprecious\n", os.rename)],
)
def test_a_lock_empties_no_file_that_looks_like_one(tmp_path, victim, text, place) -> None:
    victim.write_text(text)
    place(victim, tmp_path / ".lock")
    with (
        pytest.raises(UsageError, match=r"\.lock .*(remove it|move it elsewhere)"),
        hold(tmp_path / ".lock"),
    ):
        pytest.fail("it was held")
    assert (tmp_path / ".lock").read_text() == text


def test_a_lock_names_its_process_whoever_held_it_before(tmp_path) -> None:
    for before in ("", "4194304\n", "1"):
        (tmp_path / ".lock").write_text(before)
        with hold(tmp_path / ".lock"):
            assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_checkpoints_that_are_a_link_are_not_pruned(tmp_path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "step-00000003").mkdir(parents=True)
    run = Run(tmp_path / "run")
    run.path.mkdir()
    (run.path / "checkpoints").symlink_to(theirs)
    for write in (
        lambda: run.checkpoints.save({}, {}, {"step": 1}, []),
        lambda: run.checkpoints.finish(3, []),
    ):
        with pytest.raises(UsageError, match="is a link to .*theirs"):
            write()
    assert [path.name for path in theirs.iterdir()] == ["step-00000003"]


def test_numbers_in_a_row_stand_in_a_line() -> None:
    value = {"matrix": [[1, 2], [30, 0.5]], "names": ["a [\n 1 2\n]", "b"], "none": [], "of": [{}]}
    written = to_json(value)
    assert json.loads(written) == value
    assert b'"matrix": [\n    [1,2],\n    [30,0.5]\n  ]' in written


def test_the_matrices_of_a_thousand_classes_can_be_read_again() -> None:
    matrix = [[0] * 1000 for _ in range(1000)]
    assert 6 * len(to_json(matrix)) < 0.8 * MOST_TEXT, "of two checkpoints, on three parts"


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    said = pytest.raises(UsageError, match="on a file system that has no locks .Function not imp")
    with said, hold(tmp_path / "run/.lock"):
        pass


def test_an_entry_behind_a_torn_one_is_not_lost(tmp_path) -> None:
    """As a disk leaves it that was full: what follows is a reading of the test set."""
    path = tmp_path / "log.jsonl"
    append_entry(path, "started", {})
    with path.open("ab") as file:
        file.write(b'{"time": "2026-')
    append_entry(path, "test_set_opened", {})
    append_entry(path, "test_set_opened", {})
    assert [entry["event"] for entry in read_entries(path)] == ["started", *["test_set_opened"] * 2]
