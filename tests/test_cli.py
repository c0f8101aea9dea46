"""Every wrong word, value or file: the right exit code, one line, nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist, fetch
from fashion_cnn.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, real_data) -> Path:
    """An empty working folder; the data set by the environment variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))
    return tmp_path


def fails(capsys, code: int, *arguments: str) -> str:
    """Run a command that must fail; returns its last line on standard error."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("fashion-cnn: ")
    return last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trian", "no command 'trian' (did you mean 'train'?)"),
        ("train basline", "no recipe 'basline' (did you mean 'baseline'?)"),
        ("train --epoch 3", "--epochs"),
        ("train --epochs -1", "epochs is -1; it must be a whole number of at least 1"),
        ("train --epochs two", "'two' is not a valid integer"),
        ("train --lr nan", "learning_rate is nan"),
        ("train --lr 0", "learning_rate is 0.0; it must be a number above 0"),
        ("train --dropout 1", "dropout is 1.0; it must be a number of at least 0 and below 1"),
        ("train --schedule cosin", "did you mean 'cosine'"),
        ("train --class-weights 1,x", "not a list of numbers"),
        ("train --class-weights 1,2", "ten positive numbers"),
        ("train --batch-size 60000", "batch_size is 60000, more than the 54000 images"),
        ("train --train-images 54001", "ask for at most 54000"),
        ("train --device cuda", "device 'cuda' is not there; this machine has: cpu"),
        ("train --device gpu", "'gpu' is not one of"),
        ("train --threads 0", "0 is not in the range"),
        ("train --resume --overwrite", "give one of them"),
        ("train --name a --output b", "give one of them"),
        ("train --output /proc/run", "cannot be used as a run folder"),
        ("train --output /dev/null/run", "cannot be used as a run folder"),
        ("evaluate nowhere", "nowhere holds no run"),
        ("recipes fats", "no recipe 'fats'"),
        ("data show --output no/such/folder.png", "No such file or directory"),
        ("data show --columns 0", "0 is not in the range"),
        ("data verif", "did you mean 'verify'"),
    ],
)
def test_wrong_words_and_values(capsys, elsewhere, arguments: str, words: str) -> None:
    assert words in fails(capsys, 2, *arguments.split())
    assert list(elsewhere.iterdir()) == [], "nothing is left behind"


def test_missing_data_is_code_3(capsys, elsewhere) -> None:
    assert "no train-images" in fails(capsys, 3, "train", "--data-dir", "nowhere")
    assert "no train-images" in fails(capsys, 3, "data", "verify", "--data-dir", "nowhere")
    assert list(elsewhere.iterdir()) == []


def test_a_bad_test_file_is_told_before_training(capsys, elsewhere, real_data) -> None:
    folder = elsewhere / "d"
    folder.mkdir()
    for name in fashion_mnist.SHA256:
        (folder / f"{name}.gz").symlink_to(real_data / f"{name}.gz")
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>")
    assert "t10k-images-idx3-ubyte.gz is a web page" in fails(capsys, 3, "train", "--data-dir", "d")
    assert not (elsewhere / "runs").exists()


def test_no_data_anywhere_names_every_source(capsys, elsewhere, monkeypatch) -> None:
    monkeypatch.delenv("FASHION_CNN_DATA")
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", elsewhere / "none")
    monkeypatch.setattr(
        fetch.fetch, "__kwdefaults__", {**fetch.fetch.__kwdefaults__, "mirrors": ()}
    )
    monkeypatch.setenv("PATH", "")
    assert "no source gave the data set" in fails(capsys, 3, "train")
    assert "no apt" in fails(capsys, 3, "data", "get")


def test_resuming_nothing_is_code_6(capsys, elsewhere) -> None:
    assert "holds no run" in fails(capsys, 6, "train", "--resume")
    (elsewhere / "runs/baseline").mkdir(parents=True)
    (elsewhere / "runs/baseline/recipe.json").write_text(json.dumps(Recipe().to_dict()))
    (elsewhere / "runs/baseline/environment.json").write_text('{"threads": 2}')
    assert "no usable checkpoint" in fails(capsys, 6, "train", "--resume")


TINY = ("--epochs", "1", "--train-images", "200")


def test_the_life_of_a_run_folder(capsys, elsewhere) -> None:
    assert main(["train", *TINY]) == 0
    before = {p: p.read_bytes() for p in (elsewhere / "runs/baseline").rglob("*") if p.is_file()}
    capsys.readouterr()

    refusal = fails(capsys, 2, "train", *TINY)
    for way in ("--resume", "--overwrite", "--output"):
        assert way in refusal
    assert "learning_rate cannot change" in fails(capsys, 2, "train", "--resume", "--lr", "0.1")
    assert "seed cannot change" in fails(capsys, 2, "train", "--resume", "--seed", "3")
    fails(capsys, 2, "train", "--overwrite", "--batch-size", "60000")
    fails(capsys, 3, "train", "--overwrite", "--data-dir", "nowhere")
    fails(capsys, 2, "train", "--overwrite", "--device", "cuda")
    after = {p: p.read_bytes() for p in (elsewhere / "runs/baseline").rglob("*") if p.is_file()}
    assert after == before, "a refused command changes nothing"

    note = elsewhere / "runs/baseline/my-notes.txt"
    note.write_text("mine")
    assert main(["train", *TINY, "--overwrite", "--seed", "5"]) == 0
    assert json.loads((elsewhere / "runs/baseline/recipe.json").read_text())["seed"] == 5
    assert note.read_text() == "mine", "only a run's own files are replaced"
    capsys.readouterr()

    (elsewhere / "runs/baseline/checkpoints/best").unlink()
    for path in (elsewhere / "runs/baseline/checkpoints").glob("step-*"):
        (path / "model.safetensors").write_bytes(b"torn")
    message = fails(capsys, 6, "train", "--resume")
    assert "step 4: " in message
    assert "--overwrite" in message
    fails(capsys, 6, "evaluate", "runs/baseline")


def test_a_folder_with_other_files_is_refused(capsys, elsewhere) -> None:
    (elsewhere / "home").mkdir()
    (elsewhere / "home/thesis.txt").write_text("years of work")
    for flag in ((), ("--overwrite",)):
        assert "other files" in fails(capsys, 2, "train", *TINY, "--output", "home", *flag)
    assert (elsewhere / "home/thesis.txt").exists()


def test_a_damaged_recipe_is_named(capsys, elsewhere) -> None:
    (elsewhere / "r").mkdir()
    (elsewhere / "r/recipe.json").write_text('{"epochs": ')
    assert "recipe.json is not valid JSON" in fails(capsys, 2, "evaluate", "r")
    (elsewhere / "r/recipe.json").write_text('{"epochs": 3}')
    assert "the recipe lacks" in fails(capsys, 2, "train", "--resume", "--output", "r")


def test_a_diverged_run_is_code_5(capsys) -> None:
    words = fails(capsys, 5, "train", "--train-images", "200", "--lr", "1e30")
    assert "diverged at step" in words


def test_a_folder_without_permission(elsewhere, real_data) -> None:
    """Root may write anywhere, so ask as somebody else."""
    (elsewhere / "closed").mkdir(mode=0o555)
    drop = (
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    )
    code = "import sys; from fashion_cnn.run.folder import Run\nwith Run(sys.argv[1]).lock(): pass"
    program = f"import sys; sys.path[:0] = {sys.path!r}\n" + code
    done = subprocess.run(
        [*drop, sys.executable, "-c", program, str(elsewhere / "closed/run")],
        capture_output=True,
        text=True,
    )
    if "No such file" in done.stderr or "Permission denied: '/" in done.stderr:
        done = subprocess.CompletedProcess(done.args, 1, "", done.stderr)
    assert "closed/run cannot be used as a run folder: Permission denied" in done.stderr


def test_recipes_lists_and_shows(capsys) -> None:
    assert main(["recipes"]) == 0
    assert "baseline" in capsys.readouterr().out
    assert main(["recipes", "baseline"]) == 0
    out = capsys.readouterr().out
    assert "learning_rate    0.001" in out


def test_show_draws_a_grid(elsewhere) -> None:
    assert main(["data", "show", "--columns", "3"]) == 0
    assert (elsewhere / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_doctor_reports_and_never_fails(capsys, monkeypatch) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in ("torch", "threads", "all four files verified", "free space"):
        assert word in out
    monkeypatch.setenv("FASHION_CNN_DATA", "/nowhere")
    assert main(["doctor"]) == 0
    assert "/nowhere" in capsys.readouterr().out


def test_verify_and_get_find_what_is_there(capsys, real_data) -> None:
    assert main(["data", "verify"]) == 0
    assert main(["data", "get"]) == 0
    assert str(real_data) in capsys.readouterr().out


def test_every_value_is_printed_with_its_origin(capsys) -> None:
    assert main(["train", *TINY]) == 0
    err = capsys.readouterr().err
    assert "command line: epochs=1 train_images=200" in err
    assert "defaults: model=simple_cnn seed=0 batch_size=64" in err


def test_a_reader_that_leaves_is_no_error() -> None:
    program = f"{sys.executable} -m fashion_cnn recipes baseline | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
    assert done.stderr == ""


def test_the_benchmark_measures(capsys, elsewhere) -> None:
    arguments = ["benchmark", "train", "--rounds", "1", "--images", "320", "--json", "b.json"]
    assert main(arguments) == 0
    record = json.loads((elsewhere / "b.json").read_text())
    assert set(record["seconds"]) == {"hand_written", "bare", "ours"}
    assert record["training_flops_per_image"]["assignment"] == pytest.approx(45.15e6, rel=0.01)
    assert (
        record["training_flops_per_image"]["ours"]
        < record["training_flops_per_image"]["assignment"]
    )
    assert "hand-written / ours" in capsys.readouterr().out
