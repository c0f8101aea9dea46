"""Every wrong word, value or file: the right exit code, one line, nothing lost."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from failing import fails
from fashion_cnn import doctor as examination
from fashion_cnn import job
from fashion_cnn.cli import main
from fashion_cnn.cli.main import _of_the_machine
from fashion_cnn.data import fashion_mnist, fetch
from fashion_cnn.data.pictures import files_below, is_picture
from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import UsageError
from fashion_cnn.process import launch
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def all_of_it(here, monkeypatch, real_data) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))


def test_a_path_with_a_line_end_forges_no_line(capsys, tmp_path) -> None:
    path = f"{tmp_path}/run\nfashion-cnn: all is well"
    for command in ("report", "evaluate", "export", "compare"):
        assert main([command, path, path][: 3 if command == "compare" else 2]) != 0
        err = capsys.readouterr().err
        assert "\\nfashion-cnn: all is well" in err, command
        assert "\nfashion-cnn: all is well" not in err, command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian", "no command 'trian' (did you mean 'train'?)"),
        ("train basline", "no recipe 'basline' (did you mean 'baseline'?)"),
        ("train --epoch 3", "--epochs"),
        ("train --epochs -1", "epochs is -1; it must be a whole number of at least 0"),
        ("train --epochs two", "'two' is not a valid integer"),
        ("train --lr nan", "learning_rate (--lr) is nan"),
        ("train --threads 99999", "99999 is not in the range 1<=x<=1023"),
        ("train --lr inf", "is inf; it must be a number above 0 and at most 1e"),
        ("train --lr 0", "learning_rate (--lr) is 0.0; it must be a number above 0"),
        ("train --dropout 1", "dropout is 1.0; it must be a number of at least 0 and below 1"),
        ("train --schedule cosin", "did you mean 'cosine'"),
        ("train --class-weights 1,x", "not a list of numbers"),
        ("train --class-weights 1,2", "class_weights has 2 numbers; the data set has 10 classes"),
        ("train --flip --augment-classes 1.5", "not a list of whole numbers"),
        ("train --augment-classes 0,6", "nothing to apply to them"),
        ("train --batch-size 60000", "batch_size is 60000, more than the 2160 images"),
        ("train --train-images 2161", "ask for at most 2160"),
        ("train --device cuda", "device 'cuda' is not there; this machine has: cpu"),
        ("train --framework tensorflow", "'tensorflow' is not one of"),
        ("train --framework keras --device cuda", "device 'cuda' is not there; Keras on tensor"),
        ("train fast --framework keras", "model is 'strided_cnn', which Keras does not do here"),
        ("train --framework keras --ema-decay 0.9", "ema_decay is 0.9"),
        ("train --device gpu", "'gpu' is not one of"),
        ("train --threads 0", "0 is not in the range"),
        ("train --resume --overwrite", "give one of them"),
        ("train --name a --output b", "give one of them"),
        ("train --name=", "--name is empty"),
        ("tune --search lr=0.1,0.2 --name=", "--name is empty"),
        ("train --output /proc/run", "cannot be used:"),
        ("train --output /dev/null/run", "cannot be used:"),
        ("evaluate nowhere", "nowhere holds no run"),
        ("recipes fats", "no recipe 'fats'"),
        ("data show --output no/such/folder.png", "No such file or directory"),
        ("data show --columns 0", "0 is not in the range"),
        ("data show --output /", "is a directory"),
        ("train --epochs 1" + "0" * 400, "epochs is 1"),
        ("train --output " + "x" * 300, "File name too long"),
        ("data verif", "did you mean 'verify'"),
        ("data audit --threshold 0", "threshold is 0.0; it must be a number above 0"),
        ("data audit --threads 1", "--threads is for the trainings of --suspects"),
        ("data audit --run nowhere", "nowhere holds no run"),
    ],
)
def test_wrong_words_and_values(capsys, here, arguments: str, words: str) -> None:
    assert words in fails(capsys, 2, *arguments.split())
    assert list(here.iterdir()) == [], "nothing is left behind"


def test_missing_data_is_code_3(capsys, here) -> None:
    for words in (["train"], ["data", "verify"]):
        said = fails(capsys, 3, *words, "--data-dir", "nowhere")
        assert "nowhere (--data-dir) is no folder; make one of photos with" in said
    assert list(here.iterdir()) == []


def test_a_bad_test_file_is_told_before_training(capsys, here, real_data) -> None:
    folder = here / "d"
    folder.mkdir()
    for name in fashion_mnist.SHA256:
        (folder / f"{name}.gz").symlink_to(real_data / f"{name}.gz")
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>")
    assert "t10k-images-idx3-ubyte.gz is a web page" in fails(capsys, 3, "train", "--data-dir", "d")
    assert not (here / "runs").exists()


def test_no_data_anywhere_names_every_source(capsys, here, monkeypatch) -> None:
    monkeypatch.delenv("FASHION_CNN_DATA")
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", here / "none")
    monkeypatch.setattr(
        fetch.fetch, "__kwdefaults__", {**(fetch.fetch.__kwdefaults__ or {}), "mirrors": ()}
    )
    monkeypatch.setenv("PATH", "")
    assert "no source gave the data set" in fails(capsys, 3, "train")
    assert "no apt" in fails(capsys, 3, "data", "get")


def test_resuming_nothing_is_code_6(capsys, here) -> None:
    assert "holds no run" in fails(capsys, 6, "train", "--resume")
    (here / "runs/baseline").mkdir(parents=True)
    (here / "runs/baseline/recipe.json").write_text(json.dumps(Recipe().to_dict()))
    (here / "runs/baseline/environment.json").write_text('{"framework": "pytorch"}')
    assert "no usable checkpoint" in fails(capsys, 6, "train", "--resume")


TINY = ("--epochs", "1", "--train-images", "200")


def test_the_life_of_a_run_folder(capsys, here) -> None:
    assert main(["train", *TINY]) == 0
    before = {p: p.read_bytes() for p in (here / "runs/baseline").rglob("*") if p.is_file()}
    capsys.readouterr()

    refusal = fails(capsys, 2, "train", *TINY)
    for way in ("--resume", "--overwrite", "--output"):
        assert way in refusal
    assert "learning_rate cannot change" in fails(capsys, 2, "train", "--resume", "--lr", "0.1")
    assert "seed cannot change" in fails(capsys, 2, "train", "--resume", "--seed", "3")
    fails(capsys, 2, "train", "--overwrite", "--batch-size", "60000")
    fails(capsys, 3, "train", "--overwrite", "--data-dir", "nowhere")
    fails(capsys, 2, "train", "--overwrite", "--device", "cuda")
    after = {p: p.read_bytes() for p in (here / "runs/baseline").rglob("*") if p.is_file()}
    assert after == before, "a refused command changes nothing"

    note = here / "runs/baseline/my-notes.txt"
    note.write_text("mine")
    assert main(["train", *TINY, "--overwrite", "--seed", "5"]) == 0
    assert json.loads((here / "runs/baseline/recipe.json").read_text())["seed"] == 5
    assert note.read_text() == "mine", "only a run's own files are replaced"
    capsys.readouterr()

    (here / "runs/baseline/checkpoints/best").unlink()
    for path in (here / "runs/baseline/checkpoints").glob("step-*"):
        (path / "model.safetensors").write_bytes(b"torn")
    message = fails(capsys, 6, "train", "--resume")
    assert "step 4: " in message
    fails(capsys, 6, "evaluate", "runs/baseline")


def test_a_folder_with_other_files_is_refused(capsys, here) -> None:
    (here / "home").mkdir()
    (here / "home/thesis.txt").write_text("years of work")
    for flag in ((), ("--overwrite",)):
        assert "other files" in fails(capsys, 2, "train", *TINY, "--output", "home", *flag)
    assert (here / "home/thesis.txt").exists()


def test_a_diverged_run_is_code_5(capsys) -> None:
    words = fails(capsys, 5, "train", "--train-images", "200", "--lr", "1e30")
    assert "diverged at step" in words


def test_a_folder_without_permission() -> None:
    """Root may write anywhere, so ask as somebody else, in a folder that anyone may enter."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    base.chmod(0o755)
    root = os.geteuid() == 0
    try:
        (base / "closed").mkdir(mode=0o555)
        (base / "open").mkdir()
        (base / "open").chmod(0o777)
        if root:
            os.seteuid(65534)
        with Run(base / "open/run").lock():
            pass
        with pytest.raises(UsageError, match="closed/run cannot be used.*Permission denied"):
            Run(base / "closed/run").lock().__enter__()
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(base)


HOSTILE = {
    "recipe.json": [b"5", b"null", b"[" * 100_000, b'{"epochs": 3}', b"\xff"],
    "environment.json": [b"[]", b"{}", b'{"framework": "jax"}'],
    "history.csv": [b"\xff\xfe", b"epoch;step\n1;2\n", b"epoch,step\n1,2\n"],
    "log.jsonl": [b"5\n", b'{"event": "epoch", "step": "x"}\n', b"\xff\n", b"["],
    "metrics.json": [b"5", b'{"status": "finished"}', b"{"],
    "split.json": [b"[]", b"{"],
    "film.safetensors": [b"", b"\xff" * 99],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, few_data) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *TINY, "--output", str(folder), "--data-dir", str(few_data)]) == 0
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_altered_files_are_named_or_written_anew(capsys, here, finished, name: str) -> None:
    """Never a traceback; what the run is made of is an error, what can be derived is repaired."""
    for content in HOSTILE[name]:
        for arguments in (["train", "--resume", "--output"], ["evaluate"]):
            run = here / "run"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(finished, run, symlinks=True)
            (run / name).write_bytes(content)
            capsys.readouterr()
            if name in ("recipe.json", "environment.json", "split.json"):
                assert name.partition(".")[0] in fails(capsys, 2, *arguments, str(run))
            else:
                assert main([*arguments, str(run)]) == 0
                json.loads((run / "metrics.json").read_text())
                assert len(Run(run).history) == 1
                assert any(entry["event"] == "epoch" for entry in Run(run).events()) or (
                    name == "log.jsonl"
                )


def test_evaluate_refuses_a_recipe_of_another_split(capsys, here, finished) -> None:
    """Another seed would make training images of some validation images."""
    run = here / "run"
    shutil.copytree(finished, run, symlinks=True)
    recipe = Run(run).recipe.replace(seed=9)
    (run / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    assert "of another recipe, seed or data set" in fails(capsys, 6, "evaluate", str(run))


def test_a_copy_without_links_still_serves(here, finished) -> None:
    run = here / "run"
    shutil.copytree(finished, run)  # follows the links
    assert main(["evaluate", str(run)]) == 0
    assert (run / "checkpoints/best").is_symlink()


def test_links_that_a_kill_left_stale_are_set_again(here, finished) -> None:
    run = here / "run"
    shutil.copytree(finished, run, symlinks=True)
    for name in ("best", "final"):
        (run / "checkpoints" / name).unlink()
    (run / "checkpoints/best").symlink_to("step-00000000")
    (run / "metrics.json").unlink()
    assert main(["train", "--resume", "--output", str(run)]) == 0
    assert os.readlink(run / "checkpoints/best") == os.readlink(finished / "checkpoints/best")
    before, after = (json.loads((r / "metrics.json").read_text()) for r in (finished, run))
    assert after["best"] == before["best"]


def test_a_start_that_was_killed_makes_room_for_the_next(here, finished) -> None:
    run = here / "run"
    (run / "checkpoints/.step-00000000.tmp").mkdir(parents=True)
    (run / ".begun").touch()
    shutil.copy(finished / "environment.json", run)
    assert main(["train", *TINY, "--output", str(run)]) == 0
    assert not (run / ".begun").exists()


def test_files_that_another_start_is_just_making_are_no_strangers(tmp_path, monkeypatch) -> None:
    listed = Path.iterdir

    def made_meanwhile(folder: Path) -> Iterator[Path]:
        (folder / "split.json").write_text('{"test_sealed": true}')
        names = list(listed(folder))
        (folder / ".begun").touch()
        return iter(names)

    monkeypatch.setattr(Path, "iterdir", made_meanwhile)
    Run(tmp_path).check_room(overwrite=False)


def test_get_repairs_what_verify_rejects(capsys, here, real_data, monkeypatch) -> None:
    """The advice in the error works when it is followed."""
    monkeypatch.delenv("FASHION_CNN_DATA")
    folder = here / "data"
    folder.mkdir()
    for name in fashion_mnist.SHA256:
        shutil.copy(real_data / f"{name}.gz", folder)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"torn")

    def from_a_good_copy(directory: Path, **_) -> None:
        for name in fashion_mnist.SHA256:
            shutil.copy(real_data / f"{name}.gz", directory)

    monkeypatch.setattr(fetch, "fetch", from_a_good_copy)
    advice = fails(capsys, 3, "data", "verify").partition("again with: fashion-cnn ")[2]
    assert main(advice.split()) == 0
    assert main(["data", "verify"]) == 0
    capsys.readouterr()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert main(fails(capsys, 3, "data", "verify").partition("fashion-cnn ")[2].split()[-4:]) == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("recipes nope 2>/dev/full", 2),
        ("recipes nope 2>&-", 2),
        ("recipes >&-", 0),
        ("recipes >/dev/full", 7),
        ("recipes >/dev/full 2>/dev/full", 7),
    ],
)
def test_a_reader_that_is_not_there_changes_no_exit_code(words, code) -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = f"{sys.executable} -m fashion_cnn {words}"
    assert subprocess.run(["bash", "-c", program], env=buffered).returncode == code


def test_recipes_lists_and_shows(capsys) -> None:
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    for name in catalog.RECIPES:
        assert f"Command   fashion-cnn train {name}\n" in out
    assert main(["recipes", "baseline"]) == 0
    out = capsys.readouterr().out
    assert "learning_rate    0.001" in out


def test_show_draws_a_grid(here) -> None:
    assert main(["data", "show", "--columns", "3"]) == 0
    assert (here / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_doctor_reports_and_never_fails(capsys, monkeypatch) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in ("torch", "threads", "all four files verified", "free space"):
        assert word in out
    monkeypatch.setenv("FASHION_CNN_DATA", "/nowhere")
    monkeypatch.setattr(examination, "_version", lambda library: None)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "/nowhere" in out
    assert f"not installed; {install_command('train')}" in out
    assert "does not work" not in out


def test_a_recipe_file_repeats_the_run(capsys, here) -> None:
    assert main(["train", *TINY, "--lr", "0.003", "--seed", "4", "--name", "first"]) == 0
    words = ["runs/first/recipe.json", "--threads", "1", "--name", "second"]
    assert main(["train", *words]) == 0
    assert "recipe runs/first/recipe.json: seed=4" in capsys.readouterr().err
    first, second = (Run(here / "runs" / name) for name in ("first", "second"))
    assert first.recipe == second.recipe
    assert "cannot be read" in fails(capsys, 2, "train", "nowhere/recipe.json")


def test_going_on_with_another_recipe_says_so(capsys, finished) -> None:
    capsys.readouterr()
    line = fails(capsys, 2, "train", "fast", "--resume", "--output", str(finished))
    assert "is a run of the recipe baseline; leave the recipe out" in line


def test_a_rank_alone_is_the_first(monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")  # a stray one: some schedulers set it for every job
    assert launch.rank() == 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launch.rank() == 1


@pytest.mark.usefixtures("all_of_it")
def test_verify_and_get_find_what_is_there(capsys, real_data) -> None:
    assert main(["data", "verify"]) == 0
    assert main(["data", "get"]) == 0
    assert str(real_data) in capsys.readouterr().out


def test_what_differs_is_printed_with_its_origin(capsys) -> None:
    assert main(["train", *TINY]) == 0
    err = capsys.readouterr().err
    assert "given: epochs=1 train_images=200" in err
    assert "recipe baseline" not in err, "the baseline is what the defaults are"
    few = ("--epochs", "1", "--train-images", "300", "--dropout", "0.1", "--output", "fast")
    assert main(["train", "fast", *few]) == 0
    err = capsys.readouterr().err
    assert re.search(r"given: .*dropout=0\.1", err)
    assert "recipe fast: model=strided_cnn batch_size=250 validation=0.0166667" in err
    assert "seed=0" not in err, "as by default"


@pytest.mark.parametrize(
    ("words", "code"),
    [("recipes", 0), ("recipes baseline", 0), ("data verify", 0), ("train --help", 141)],
)
def test_a_reader_that_leaves_is_no_error(words: str, code: int) -> None:
    """What it does not read is lost; only help, for which nothing was done, tells so."""
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fashion_cnn", *words.split()]
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, text=True)
    os.close(written)
    assert (done.returncode, done.stderr) == (code, "")


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ImportError("x.so: failed to map segment from shared object"), 7, "out of memory; "),
        (OSError("x.so: failed to map segment from shared object"), 7, "out of memory; "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 7, "out of memory; "),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), 2, "No usable"),
        (OSError("no writable place, and a temporary directory could not be made"), 2, "no writ"),
    ],
)
def test_what_the_machine_lacks_is_named(
    capsys, monkeypatch, error: Exception, code: int, words: str
) -> None:
    monkeypatch.setattr(catalog, "named", raising(error))
    assert fails(capsys, code, "recipes", "fast").startswith(f"fashion-cnn: {words}")


@pytest.mark.parametrize("error", [ImportError("cannot import name"), OSError("odd")])
def test_a_bug_is_not_taken_for_it(monkeypatch, error: Exception) -> None:
    monkeypatch.setattr(catalog, "named", raising(error))
    with pytest.raises(type(error)) as caught:
        main(["recipes", "fast"])
    assert caught.value is error


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_machine_that_fails_is_no_fault_of_a_picture(
    capsys, here, monkeypatch, number: int
) -> None:
    picture, really = here / "boot", os.open
    picture.write_bytes(b"")
    fail = raising(OSError(number, os.strerror(number)))

    def opened(path: Any, *how: Any, **words: Any) -> int:
        return (fail if path == str(picture) else really)(path, *how, **words)

    with monkeypatch.context() as changed:
        changed.setattr(os, "open", opened)
        line = fails(capsys, 7, "predict", str(picture))
    assert line.startswith(f"fashion-cnn: {picture}: {os.strerror(number)}; ")
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match=str(picture)):
        is_picture(picture)
    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(OSError, match=str(here)):
        list(files_below(here))


def test_standard_input_may_be_closed(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["predict", "-"]) == 4
    assert "-: standard input is closed" in capsys.readouterr().err


def test_memory_that_tensorflow_or_a_gpu_lacks_is_told_as_such() -> None:
    exhausted = type("ResourceExhaustedError", (Exception,), {})("OOM when allocating")
    for error in (exhausted, RuntimeError("CUDA error: out of memory")):
        told = _of_the_machine(error)
        assert told is not None
        assert (told[1], "out of memory" in told[0]) == (7, True)
    assert _of_the_machine(RuntimeError("a bug")) is None


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([15, 15], 0),
        ([2], 0),
        ([15, "later", 15], 143),
        ([15, 2], 130),
        ([2, "later", 2], 130),
    ],
)
def test_an_echo_of_the_first_signal_ends_nothing(signals: list, code: int) -> None:
    """As `timeout` and torchrun send it: to the process, then to its group."""
    script = f"""
import os, time
from fashion_cnn.process.interruption import Interruption
with Interruption() as interruption:
    for one in {signals!r}:
        if one == "later":
            time.sleep(1.2)
        else:
            os.kill(os.getpid(), one)
            time.sleep(0.001)
    assert interruption.signal == {signals[0]}
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == code


@pytest.mark.parametrize("in_a_command", [True, False])
def test_no_search_for_garbage_looks_through_a_framework(in_a_command: bool) -> None:
    """In a command: what is alive in somebody's session may become garbage later."""
    script = f"""
import gc
from fashion_cnn.frameworks import Hardware, open_framework
from fashion_cnn.process import launch
launch.runs_a_command = {in_a_command}
gc.freeze()
before = gc.get_freeze_count()
open_framework(Hardware())
frozen = gc.get_freeze_count()
loop = []
loop.append(loop)
del loop
open_framework(Hardware())
print(gc.isenabled(), (frozen - before > 100_000) is {in_a_command})
print(gc.get_freeze_count() == frozen, gc.collect() > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_a_damaged_recipe_is_named_by_its_file(capsys, finished) -> None:
    path = shutil.copytree(finished, Path("run")) / "recipe.json"
    values = json.loads(path.read_text())
    capsys.readouterr()
    for change in ({"epochs": -1}, {"colour": "red"}):
        path.write_text(json.dumps(values | change))
        line = fails(capsys, 2, "report", "run")
        assert "run/recipe.json is not as it was written" in line
    path.write_text('{"epochs": ')
    assert "recipe.json is not valid JSON" in fails(capsys, 2, "evaluate", "run")


def test_a_restart_by_torchrun_goes_on_with_its_own_run_alone(monkeypatch, finished) -> None:
    """The first start may have been refused because a run of before is there."""
    folder = shutil.copytree(finished, Path("run"))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    with pytest.raises(UsageError, match="holds a run"):
        job.resolve("baseline", {}, folder, "refuse")
    assert job.resolve("baseline", {}, folder, "overwrite")[2] == "overwrite"
    environment = json.loads((folder / "environment.json").read_text())
    environment["launch"] = launch.name()
    (folder / "environment.json").write_text(json.dumps(environment))
    for existing in ("refuse", "overwrite"):
        assert job.resolve(None, {}, folder, existing)[2] == "resume"
