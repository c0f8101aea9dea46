"""Checkpoints are whole and unaltered, or they are not used."""

import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fashion_cnn.errors import CheckpointError, NotFiniteError
from fashion_cnn.run import checkpoint
from fashion_cnn.run.checkpoint import load, save
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.training.state import check_state

MODEL = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32(3.5)[None]}
OPTIMIZER = {"a/exp_avg": np.ones((2, 3), np.float32)}


def record(epoch: int, val_loss: float) -> EpochRecord:
    return EpochRecord(epoch, epoch * 10, 1e-3, 1.0, 0.5, val_loss, 0.5, 1.0, 100.0)


def save_epochs(run: Run, val_losses: list[float]) -> None:
    history = []
    run.path.mkdir(exist_ok=True)
    run.checkpoints.save(MODEL, OPTIMIZER, {"step": 0}, history)
    for epoch, loss in enumerate(val_losses, 1):
        history.append(record(epoch, loss))
        run.checkpoints.save(MODEL, OPTIMIZER, {"step": epoch * 10}, history)


def steps(run: Run) -> list[int]:
    return checkpoint.published_steps(run.path / "checkpoints")


def test_round_trip(tmp_path: Path) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 7, "x": 0.1})
    assert path.name == "step-00000007"
    assert {p.name for p in path.iterdir()} == {
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "MANIFEST.json",
    }
    found = load(path)
    np.testing.assert_array_equal(found.model["a"], MODEL["a"])
    np.testing.assert_array_equal(found.optimizer["a/exp_avg"], OPTIMIZER["a/exp_avg"])
    assert found.state == {"step": 7, "x": 0.1}
    assert found.path == path
    assert found.sha256 == hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()


def test_the_folders_above_are_made(tmp_path: Path) -> None:
    path = save(tmp_path / "new/checkpoints", MODEL, OPTIMIZER, {"step": 7})
    assert load(path).state == {"step": 7}


def test_every_flipped_bit_and_truncation_is_detected(tmp_path: Path) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 7})
    random = np.random.default_rng(0)
    for file in sorted(path.iterdir()):
        original = file.read_bytes()
        for _ in range(100):
            mutated = bytearray(original)
            mutated[random.integers(len(original))] ^= 1 << random.integers(8)
            file.write_bytes(mutated)
            with pytest.raises(CheckpointError):
                load(path)
        for _ in range(30):
            file.write_bytes(original[: random.integers(len(original))])
            with pytest.raises(CheckpointError):
                load(path)
        file.write_bytes(original)
    load(path)


def test_swapped_and_missing_files_are_detected(tmp_path: Path) -> None:
    one = save(tmp_path, MODEL, OPTIMIZER, {"step": 1})
    two = save(tmp_path, {**MODEL, "b": MODEL["b"] + 1}, OPTIMIZER, {"step": 2})
    shutil.copy(one / "model.safetensors", two)
    with pytest.raises(CheckpointError, match=r"model.safetensors is not what its manifest says"):
        load(two)
    (two / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read"):
        load(two)
    one.rename(tmp_path / "step-00000009")
    with pytest.raises(CheckpointError, match="of another step"):
        load(tmp_path / "step-00000009")


def test_pickle_in_a_checkpoint_is_refused_unread(tmp_path: Path) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 1})
    canary = tmp_path / "canary"
    hostile = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    (path / "model.safetensors").write_bytes(hostile)
    content = {
        p: (path / p).read_bytes()
        for p in ("model.safetensors", "optimizer.safetensors", "state.json")
    }
    (path / "MANIFEST.json").write_bytes(checkpoint._manifest(content))
    with pytest.raises(CheckpointError, match="not valid safetensors"):
        load(path)
    assert not canary.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_published(tmp_path: Path, bad: float) -> None:
    for model, optimizer in (
        ({"a": np.array([1, bad], np.float32)}, OPTIMIZER),
        (MODEL, {"a/exp_avg": np.array([bad], np.float32)}),
    ):
        with pytest.raises(NotFiniteError, match="a.* is not finite"):
            save(tmp_path, model, optimizer, {"step": 1})
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_the_older_checkpoint(tmp_path, monkeypatch, fault: int) -> None:
    """Fail the 1st, 2nd, 3rd … system call of a save in turn, until one save gets through."""
    old = save(tmp_path, MODEL, OPTIMIZER, {"step": 1})
    failures = 0
    while True:
        calls = 0

        def counted(function, *, limit: int):
            def call(*arguments, **keywords):
                nonlocal calls
                calls += 1
                if calls == limit:
                    raise OSError(fault, os.strerror(fault))
                return function(*arguments, **keywords)

            return call

        with monkeypatch.context() as patch:
            for name in ("fsync", "rename"):
                patch.setattr(os, name, counted(getattr(os, name), limit=failures + 1))
            try:
                save(tmp_path, MODEL, OPTIMIZER, {"step": 2})
            except OSError as error:
                raised = error.errno
            else:
                break
        assert raised == fault
        failures += 1
        load(old)
        if (tmp_path / "step-00000002").exists():  # renamed, though not known to be durable
            load(tmp_path / "step-00000002")
            shutil.rmtree(tmp_path / "step-00000002")
        assert [path.name for path in tmp_path.iterdir()] == [old.name]
    assert failures >= 7  # four files, two folders, a rename


@pytest.mark.parametrize("kilobytes", [1, 4, 20])
def test_a_file_size_limit_is_a_full_disk(tmp_path: Path, kilobytes: int) -> None:
    """The real thing: `ulimit -f` in a child process; nothing partial is left."""
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from fashion_cnn.run.checkpoint import save\n"
        "big = {'a': np.ones(10_000, np.float32)}\n"
        "try: save(Path(sys.argv[1]), big, big, {'step': 1})\n"
        "except OSError as error: sys.exit(error.errno)\n"
    )
    command = f'ulimit -f {kilobytes}; exec "$0" -c "$1" "$2"'
    done = subprocess.run(["bash", "-c", command, sys.executable, code, tmp_path])
    assert done.returncode == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_best_follows_the_lowest_validation_loss_and_pruning_keeps_it(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.5, 0.3, 0.4, 0.35, 0.6])
    assert os.readlink(run.path / "checkpoints/best") == "step-00000020"
    assert steps(run) == [50, 40, 20, 0], "the start too: roll-backs may end there"
    assert run.checkpoints.load("best").state["step"] == 20


def gone_on_after_an_end(tmp_path: Path) -> tuple[Run, list[EpochRecord]]:
    """A run that ended after two epochs, and then had three more."""
    run = Run(tmp_path / "run")
    save_epochs(run, [0.5, 0.4])
    history = [record(1, 0.5), record(2, 0.4)]
    run.checkpoints.finish(20, history)
    for epoch, loss in ((3, 0.3), (4, 0.2), (5, 0.1)):
        history.append(record(epoch, loss))
        run.checkpoints.save(MODEL, OPTIMIZER, {"step": 10 * epoch}, history)
    return run, history


def test_what_final_stands_for_stays_until_the_next_end(tmp_path: Path) -> None:
    """Who goes on with a run that ended may still ask for its last result meanwhile."""
    run, history = gone_on_after_an_end(tmp_path)
    assert run.checkpoints.load("final").state["step"] == 20
    run.checkpoints.finish(50, history)
    assert run.checkpoints.load("final").state["step"] == 50


def test_what_a_former_end_left_is_no_place_to_return_to(tmp_path: Path) -> None:
    """Nor does anything stand for nothing once it is gone."""
    run, history = gone_on_after_an_end(tmp_path)
    needed = run.checkpoints.needed(history)
    assert needed == {0, 40, 50}
    assert run.checkpoints.has(20)
    run.checkpoints.cut_back(40, history[:4], needed)
    assert not run.checkpoints.has(20)
    assert run.checkpoints.load("final").state["step"] == 40
    assert run.checkpoints.load("best").state["step"] == 40


def test_equal_losses_keep_the_earlier_epoch(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.3, 0.3])
    assert run.checkpoints.load("best").state["step"] == 10


def test_resume_falls_back_and_names_what_it_rejects(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.5, 0.4, 0.3])
    (run.path / "checkpoints/step-00000030/state.json").write_text("{}")
    found, history, rejected = run.checkpoints.newest()
    assert found.state["step"] == 20
    assert [row.epoch for row in history] == [1, 2]
    assert len(rejected) == 1
    assert rejected[0].startswith("step 30: ")
    assert "state.json has 2 bytes" in rejected[0]


def test_the_previous_checkpoint_still_has_its_own_best(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.2, 0.5, 0.4, 0.1])
    shutil.rmtree(run.path / "checkpoints/step-00000040")
    assert run.checkpoints.newest()[0].state["step"] == 30
    assert 10 in steps(run)


def test_a_checkpoint_without_its_best_is_no_place_to_resume(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.2, 0.5, 0.4])
    (run.path / "checkpoints/step-00000010/model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no usable checkpoint") as caught:
        run.checkpoints.newest()
    assert "step 30" in str(caught.value)
    assert "step 20" in str(caught.value)


def test_after_a_fallback_the_damaged_future_makes_room(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    save_epochs(run, [0.5, 0.4, 0.3])
    (run.path / "checkpoints/step-00000030/MANIFEST.json").write_bytes(b"")
    history = [record(1, 0.5), record(2, 0.4)]
    run.checkpoints.save(MODEL, OPTIMIZER, {"step": 25}, history)
    assert steps(run)[0] == 25
    assert run.checkpoints.newest()[0].state["step"] == 25


@pytest.mark.parametrize("run", [{}, {"run": "ours"}])
def test_a_published_checkpoint_is_not_written_to_again(tmp_path: Path, run: dict) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 1, **run})
    before = (path / "model.safetensors").stat().st_mtime_ns
    assert save(tmp_path, MODEL, OPTIMIZER, {"step": 1, **run}) == path
    assert (path / "model.safetensors").stat().st_mtime_ns == before


def test_strangers_in_the_folder_are_no_obstacle(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    (run.path / "checkpoints").mkdir(parents=True)
    (run.path / "checkpoints/step-00000005").write_text("a file")
    (run.path / "checkpoints/notes.txt").write_text("mine")
    save_epochs(run, [0.5, 0.4])
    assert steps(run) == [20, 10, 0]
    assert (run.path / "checkpoints/notes.txt").exists()


def test_history_survives_as_csv(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows = [record(1, 0.1 + 0.2), record(2, 1e-17)]
    run.record_history(rows)
    assert run.history == rows
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.split(",") == [item.name for item in dataclasses.fields(EpochRecord)]


def test_a_torn_log_line_is_repaired_and_the_future_cut(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (10, 20):
        run.log("epoch", step=step)
    run.log("test_set_opened", step=20)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"event": "epo')
    run.cut_back(10, [record(1, 0.5)])
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(e["event"], e["step"]) for e in entries] == [("epoch", 10), ("test_set_opened", 20)]
    assert [row.epoch for row in run.history] == [1]


# -- by hand ---------------------------------------------------------------------------------------


def test_the_manifest_by_hand(tmp_path: Path) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 7})
    assert (path / "state.json").read_bytes() == b'{\n  "step": 7\n}\n'
    names = ["model.safetensors", "optimizer.safetensors", "state.json"]
    files = {}
    for name in names:
        content = (path / name).read_bytes()
        files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    wanted = json.dumps({"format": 1, "files": files}, indent=2) + "\n"
    assert (path / "MANIFEST.json").read_text() == wanted


def test_a_save_in_its_order(tmp_path: Path, monkeypatch) -> None:
    """Files, then the manifest, then the folder; after the rename the one above; then a reading."""
    done: list[str] = []

    def noted(what: str, function):
        def call(*arguments):
            paths = [a.relative_to(tmp_path) for a in arguments[:2] if isinstance(a, Path)]
            done.append(" ".join([what, *map(str, paths)]))
            return function(*arguments)

        return call

    for name in ("write_durably", "sync_directory", "load"):
        monkeypatch.setattr(checkpoint, name, noted(name, getattr(checkpoint, name)))
    monkeypatch.setattr(os, "rename", noted("rename", os.rename))
    folder = tmp_path / "run/checkpoints"
    (folder / ".step-00000007.tmp").mkdir(parents=True)
    (folder / ".step-00000007.tmp/torn").write_text("left over")
    save(folder, MODEL, OPTIMIZER, {"step": 7})
    temporary = "run/checkpoints/.step-00000007.tmp"
    assert done == [
        f"write_durably {temporary}/model.safetensors",
        f"write_durably {temporary}/optimizer.safetensors",
        f"write_durably {temporary}/state.json",
        f"write_durably {temporary}/MANIFEST.json",
        f"sync_directory {temporary}",
        f"rename {temporary} run/checkpoints/step-00000007",
        "sync_directory run/checkpoints",
        "load run/checkpoints/step-00000007",
    ]
    assert sorted(item.name for item in folder.iterdir()) == ["step-00000007"]
    assert not (folder / "step-00000007/torn").exists()


def test_what_was_published_is_read_back_at_once(tmp_path: Path, monkeypatch) -> None:
    def lose_a_byte(path: Path, data: bytes) -> None:
        path.write_bytes(data[:-1] if path.name == "model.safetensors" else data)

    monkeypatch.setattr(checkpoint, "write_durably", lose_a_byte)
    with pytest.raises(CheckpointError, match="model.safetensors has .* bytes"):
        save(tmp_path, MODEL, OPTIMIZER, {"step": 1})


def test_a_damaged_checkpoint_of_the_same_step_is_written_anew(tmp_path: Path) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 1})
    (path / "state.json").write_bytes(b"{}")
    assert save(tmp_path, MODEL, OPTIMIZER, {"step": 1}) == path
    assert load(path).path == path


@pytest.mark.parametrize("refused", ["", "."], ids=["any", "temporary"])
def test_a_disk_that_takes_no_folder_is_told_as_it_is(tmp_path, monkeypatch, refused: str) -> None:
    original = Path.mkdir

    def full(self: Path, *arguments, **keywords) -> None:
        if self.name.startswith(refused):
            raise OSError(errno.ENOSPC, "full")
        original(self, *arguments, **keywords)

    save(tmp_path, MODEL, OPTIMIZER, {"step": 1})
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match="full") as caught:
        save(tmp_path, MODEL, OPTIMIZER, {"step": 2})
    assert caught.value.errno == errno.ENOSPC


def put(path: Path, **content: bytes) -> None:
    """Write a checkpoint whose manifest agrees with whatever it holds."""
    path.mkdir(exist_ok=True)
    content = {
        "model.safetensors": content.get("model", safetensors.numpy.save(MODEL)),
        "optimizer.safetensors": content.get("optimizer", safetensors.numpy.save(OPTIMIZER)),
        "state.json": content.get("state", b'{"step": 7}'),
    }
    for name, data in content.items():
        (path / name).write_bytes(data)
    (path / "MANIFEST.json").write_bytes(checkpoint._manifest(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state": b"{"}, r"PATH/state.json is not valid JSON \(.*\)"),
        ({"state": b"[7]"}, "PATH: state.json is of another step"),
        ({"state": b'{"step": 7.0}'}, "PATH: state.json is of another step"),
        ({"state": b'{"step": true}'}, "PATH: state.json is of another step"),
        ({"state": b'{"stop": 7}'}, "PATH: state.json is of another step"),
        ({"state": b'{"step": 8}'}, "PATH: state.json is of another step"),
        ({"model": b"no"}, r"PATH/model.safetensors is not valid safetensors \(.+\)"),
        ({"optimizer": b"no"}, r"PATH/optimizer.safetensors is not valid safetensors \(.+\)"),
        (
            {"optimizer": safetensors.numpy.save({"x": np.array([np.inf], np.float32)})},
            "PATH/optimizer.safetensors: x is not finite",
        ),
        (
            {"model": safetensors.numpy.save({"x": np.array([np.nan], np.float32)})},
            "PATH/model.safetensors: x is not finite",
        ),
    ],
)
def test_what_hashes_right_and_is_wrong_is_said(tmp_path, content: dict, message: str) -> None:
    path = tmp_path / "step-00000007"
    put(path, **content)
    with pytest.raises((CheckpointError, NotFiniteError)) as caught:
        load(path)
    assert re.fullmatch(message.replace("PATH", str(path)), str(caught.value)), caught.value


def test_a_folder_of_another_name_may_be_of_any_step(tmp_path: Path) -> None:
    put(tmp_path / "best")
    found = load(tmp_path / "best")
    assert found.state == {"step": 7}
    assert found.model.keys() == {"a", "b"}
    assert found.optimizer.keys() == {"a/exp_avg"}
    (tmp_path / "final").symlink_to("step-00000008")
    put(tmp_path / "step-00000008")
    with pytest.raises(CheckpointError, match="of another step"):
        load(tmp_path / "final")


def test_what_a_manifest_and_the_files_disagree_on_is_said(tmp_path: Path) -> None:
    path = tmp_path / "step-00000007"
    put(path)
    whole = (path / "MANIFEST.json").read_bytes()

    def said() -> str:
        with pytest.raises(CheckpointError) as caught:
            load(path)
        return str(caught.value)

    (path / "state.json").write_bytes(b'{"step":  7}')
    assert said() == f"{path}: state.json has 12 bytes, its manifest says 11"
    (path / "state.json").write_bytes(b'{"step": 8}')
    assert said() == f"{path}: state.json is not what its manifest says: other SHA-256"
    (path / "state.json").write_bytes(b'{"step": 7}')
    (path / "MANIFEST.json").write_bytes(whole + b" ")
    assert said() == f"{path}: MANIFEST.json is damaged"
    for damaged in (b"", b"[]", b'{"files": 1}', b'{"files": {"model.safetensors": {}}}', b"{}"):
        (path / "MANIFEST.json").write_bytes(damaged)
        assert said() == f"{path}: MANIFEST.json is damaged"
    (path / "MANIFEST.json").unlink()
    assert said() == f"{path}/MANIFEST.json cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "name", ["MANIFEST.json", "model.safetensors", "optimizer.safetensors", "state.json"]
)
def test_a_file_of_over_a_gibibyte_is_not_read(tmp_path, name) -> None:
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 7})
    os.truncate(path / name, 2**30 + 1)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}/{name} has more than 1,073,741,824 bytes")


def test_a_step_of_another_run_is_replaced(tmp_path) -> None:
    save(tmp_path, MODEL, OPTIMIZER, {"step": 7, "run": "other"})
    path = save(tmp_path, MODEL, OPTIMIZER, {"step": 7, "run": "ours"})
    assert load(path).state["run"] == "ours"


def test_a_link_in_a_checkpoint_s_place_is_replaced_and_not_followed(tmp_path) -> None:
    others, ours = tmp_path / "others", tmp_path / "ours"
    elsewhere = save(others, MODEL, OPTIMIZER, {"step": 7})
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    ours.mkdir()
    for name in (elsewhere.name, f".{elsewhere.name}.tmp"):
        (ours / name).symlink_to(elsewhere)
    path = save(ours, {"w": np.ones(3, np.float32)}, OPTIMIZER, {"step": 7})
    assert path.is_dir()
    assert not path.is_symlink()
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == before


def test_layouts_must_be_alike() -> None:
    wanted = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(1, np.float32)}
    checkpoint.check_layout(dict(reversed(wanted.items())), wanted, "it")
    for found, message in (
        ({"b": wanted["b"]}, "it lacks tensor 'a'"),
        ({**wanted, "c": wanted["a"]}, "it has an unknown tensor 'c'"),
        ({}, "it lacks tensor 'a'"),
        (
            {**wanted, "a": np.zeros((3, 2), np.float32)},
            "it: a is float32 (3, 2), expected float32 (2, 3)",
        ),
        (
            {**wanted, "b": np.zeros(1, np.float16)},
            "it: b is float16 (1,), expected float32 (1,)",
        ),
    ):
        with pytest.raises(CheckpointError) as caught:
            checkpoint.check_layout(found, wanted, "it")
        assert str(caught.value) == message


def test_every_group_is_looked_at_for_numbers_that_are_not_finite() -> None:
    checkpoint.check_finite(MODEL, OPTIMIZER)
    checkpoint.check_finite()
    for groups in (
        ({"x": np.array([np.nan])}, MODEL),
        (MODEL, {"y": np.ones(1), "x": np.array([np.inf])}),
    ):
        with pytest.raises(NotFiniteError) as caught:
            checkpoint.check_finite(*groups)
        assert str(caught.value) == "x is not finite"


def names_in(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_links_by_hand(tmp_path: Path, monkeypatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(checkpoint, "sync_directory", synced.append)
    put(tmp_path / "step-00000007")
    put(tmp_path / "step-00000012")
    checkpoint.link(tmp_path, "best", 7)
    assert os.readlink(tmp_path / "best") == "step-00000007"
    (tmp_path / ".best.tmp").write_text("left over")
    checkpoint.link(tmp_path, "best", 12)
    assert os.readlink(tmp_path / "best") == "step-00000012"
    checkpoint.link(tmp_path, "final", 7)
    (tmp_path / "elsewhere").symlink_to("nowhere")
    assert checkpoint.linked_steps(tmp_path) == {7, 12}
    checkpoint.link(tmp_path, "best", None)
    checkpoint.link(tmp_path, "best", None)
    assert names_in(tmp_path) == ["elsewhere", "final", "step-00000007", "step-00000012"]
    shutil.copytree(tmp_path / "step-00000007", tmp_path / "best")
    checkpoint.link(tmp_path, "best", 12)
    assert os.readlink(tmp_path / "best") == "step-00000012"
    assert synced == [tmp_path] * 6
    assert (tmp_path / "step-00000007/state.json").exists()


def test_pruning_by_hand(tmp_path: Path) -> None:
    assert checkpoint.published_steps(tmp_path / "nowhere") == []
    for step in (3, 20, 100):
        put(tmp_path / f"step-{step:08d}")
    for name in ("step-3", "step-000000003", "xstep-00000003", ".other.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / ".step-00000004.tmp").mkdir()
    (tmp_path / ".step-00000004.tmp/torn").write_text("")
    (tmp_path / ".step-00000005.tmp").write_text("")
    assert checkpoint.published_steps(tmp_path) == [100, 20, 3]
    checkpoint.prune(tmp_path, {20, 999})
    assert names_in(tmp_path) == [
        ".other.tmp",
        "step-000000003",
        "step-00000020",
        "step-3",
        "xstep-00000003",
    ]
    assert checkpoint.path_of(tmp_path, 20) == tmp_path / "step-00000020"


def test_whatever_stands_there_is_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("")
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "file").write_text("")
    checkpoint.remove(tmp_path / "link")
    assert names_in(tmp_path) == ["file", "folder"]
    checkpoint.remove(tmp_path / "folder")
    checkpoint.remove(tmp_path / "file")
    checkpoint.remove(tmp_path / "file")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("rollbacks", -600), ("rollbacks", 4), ("seconds", 1e999), ("seconds", -1.0), ("step", -1),
     ("loss_sum", 1e999), ("loss_sum", float("nan")), ("seen", 10**40), ("correct", 101)],
)  # fmt: skip
def test_how_far_a_run_had_come_is_what_can_be(name: str, value: float) -> None:
    """Hashes tell only that the file is as somebody wrote it."""
    state = {"step": 9, "rollbacks": 3, "loss_sum": 1e33, "correct": 100, "seen": 100, "seconds": 0}
    check_state(checkpoint.Checkpoint(Path("step"), {}, {}, state, ""))
    with pytest.raises(CheckpointError, match=f"step: state.json says that {name} is"):
        check_state(checkpoint.Checkpoint(Path("step"), {}, {}, state | {name: value}, ""))
