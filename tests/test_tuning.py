"""Studies: what is trained, what is not trained twice, and the table."""

import dataclasses
import json
import os
import re
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import make_split
from fashion_cnn import api
from fashion_cnn.cli import main
from fashion_cnn.cli.train import train
from fashion_cnn.errors import DivergedError, FashionCNNError, UsageError
from fashion_cnn.evaluation.evaluate import evaluate_run
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.plots import differences_plot
from fashion_cnn.reporting.study import (
    CONFUSED,
    differences,
    to_checkpoint_table,
    to_class_table,
    to_table,
    to_tables,
)
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.lock import hold
from fashion_cnn.studies import study as tuning
from fashion_cnn.text import aligned, cell
from finished import Guesser, around, finished_run
from short import train_here

RESULTS = Path(__file__).parents[1] / "docs/results"
STUDY = """
recipe = "baseline"
seeds = [0, 1]
measure = "validation"
[fields]
train_images = 300
epochs = 1
[variants."as it is"]
[variants."wild/er"]
learning_rate = 0.003
flip = true
class_weights = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0]
"""


@pytest.fixture(autouse=True)
def _data(monkeypatch, few_data) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rates.toml"
    path.write_text(STUDY)
    return path


def test_a_study_trains_each_run_once_and_goes_on(file, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    folder = tmp_path / "out"
    command = ["study", str(file), "--output", str(folder), "--threads", "1"]
    calls = []
    train = tuning._train

    def stopped_in_the_third(study, variant, seed, *rest) -> dict:
        calls.append((variant, seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(study, variant, seed, *rest)

    monkeypatch.setattr(tuning, "_train", stopped_in_the_third)
    assert main(command) == 130
    assert calls == [("as it is", 0), ("wild/er", 0), ("as it is", 1)]
    assert main(command) == 0
    assert calls[3:] == [("as it is", 1), ("wild/er", 1)]
    table = capsys.readouterr().out
    assert main(command) == 0
    assert len(calls) == 5
    assert capsys.readouterr().out == table

    rows = json.loads((folder / "study.json").read_text())["runs"]
    run = Run.open(folder / "wild-er/seed-1")
    assert run.recipe.flip
    assert (run.recipe.seed, run.recipe.learning_rate, run.recipe.class_weights[6]) == (1, 3e-3, 2)
    metrics = run.results.metrics
    assert metrics.test_readings == 0
    assert metrics.best
    shown = metrics.best.validation
    assert rows[-1]["accuracy"] == shown.accuracy
    assert rows[-1]["command_seconds"] > rows[-1]["training_seconds"]
    assert rows[-1]["command"][:3] == ["fashion-cnn", "train", "baseline"]
    assert "--no-test" in rows[-1]["command"]
    assert (rows[-1]["n"], rows[-1]["ece"]) == (240, shown.ece)
    assert rows[-1]["class_accuracy"]["Shirt"] == shown.per_class[6].recall
    both = {"best": metrics.best, "final": metrics.final}
    for name, of in rows[-1]["checkpoints"].items():
        wanted = both[name].validation
        assert (of["accuracy"], of["loss"]) == (wanted.accuracy, wanted.loss)
        assert of["epoch"] == both[name].epoch
    assert set(rows[-1]["checkpoints"]) == set(both)
    kept = (folder / "study.md").read_text()
    assert to_checkpoint_table(json.loads((folder / "study.json").read_text())) in kept
    assert table == aligned(kept), "the terminal's columns hold what the file's do"
    assert (folder / "differences.png").read_bytes().startswith(b"\x89PNG")
    mean = statistics.mean(100 * row["accuracy"] for row in rows if row["variant"] == "wild/er")
    assert f"| wild/er | 2 | {mean:.2f} ± " in kept
    assert re.search(rf"^wild/er +2 +{mean:.2f} ± ", table, re.M)

    file.write_text(file.read_text().replace("0.003", "0.004"))
    assert main(command) == 2
    assert "has other values for 'wild/er'" in capsys.readouterr().err


@pytest.mark.parametrize("measure", ["validation", "test"])
@pytest.mark.parametrize("answer", ["best", "final"])
def test_a_row_is_of_the_checkpoint_that_answers(
    tmp_path: Path, monkeypatch, answer: str, measure: str
) -> None:
    folder, left = tmp_path / "run", {}

    def trained(command: list[str], alone: bool) -> int:
        run, _, test = finished_run(folder, answer=answer)
        history = [dataclasses.replace(e, val_loss=1.0 + (e.epoch != 2)) for e in run.history]
        run.record_history(history)
        validation = make_split(800, seed=2)
        answered = {
            "best": Guesser(test, validation, seed=1),
            "final": Guesser(test, validation, seed=2, skill=3.5),
        }
        ending = Trained("finished", 30, 3.0, 4.5)
        found = evaluate_run(run, answered.__getitem__, around(validation), lambda: test, ending)
        run.results.write_metrics(found)
        left.update(best=found.best, final=found.final)
        return 0

    monkeypatch.setattr(tuning, "_wait_for", trained)
    study = tuning.Study("some", "baseline", (0,), measure, {"mine": {}})
    row, _ = tuning._train(study, "mine", 0, folder, [], 1)
    shown, other = (getattr(left[name], measure) for name in (answer, *({*left} - {answer})))
    assert row["accuracy"] == shown.accuracy != other.accuracy
    assert (row["loss"], row["ece"], row["n"]) == (shown.loss, shown.ece, shown.n)
    assert row["class_accuracy"]["Coat"] == shown.per_class[4].recall
    assert (row["epoch"], row["epochs"]) == ({"best": 2, "final": 3}[answer], 3)
    assert {name: of["accuracy"] for name, of in row["checkpoints"].items()} == {
        name: getattr(of, measure).accuracy for name, of in left.items()
    }


def test_code_that_a_study_names_is_run_if_somebody_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    (tmp_path / "net.py").write_text(
        "from pathlib import Path\nfrom torch import nn\nPath(__file__ + '.ran').touch()\n"
        "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    )
    file = tmp_path / "theirs.toml"
    file.write_text(
        'recipe = "baseline"\nseeds = [0]\nmeasure = "validation"\n'
        f'[variants."it"]\nmodel = "{tmp_path}/net.py:net"\nepochs = 1\ntrain_images = 100\n'
    )
    with pytest.raises(UsageError, match="somebody's own network.*--trust-code"):
        tuning.open_study(str(file))
    assert main(["study", str(file)]) == 2
    assert not (tmp_path / "net.py.ran").exists()
    study = tuning.open_study(str(file), trust_code=True)
    (row,) = tuning.run_study(study, tmp_path / "out", ["--threads", "1"], print)["runs"]
    assert row["accuracy"] > 0
    assert tuning.open_study(study) == study, "in Python it is the caller who names it"


def test_a_variants_field_that_decides_nothing_is_told_at_once() -> None:
    tables = {"recipe": "baseline", "seeds": [0], "measure": "validation"}
    with pytest.raises(UsageError, match="warmup is 0.1, but only the schedules one-cycle"):
        tuning.open_study({**tables, "variants": {"it": {"warmup": 0.1}}})
    both = {"it": {"warmup": 0.1, "schedule": "triangle"}}
    assert tuning.open_study({**tables, "variants": both}).variants == both


def test_a_field_for_all_variants_is_for_those_in_which_it_decides_something() -> None:
    study = tuning.open_study(
        {
            "recipe": "baseline",
            "seeds": [0],
            "measure": "validation",
            "fields": {"beta2": 0.95, "epochs": 1},
            "variants": {"adam": {}, "sgd": {"optimizer": "sgd", "framework": "pytorch"}},
        }
    )
    assert study.fields_of("adam") == {"beta2": 0.95, "epochs": 1}
    assert study.fields_of("sgd") == {"epochs": 1, "optimizer": "sgd"}
    assert study.recipe_of("sgd", 0).beta2 == Recipe().beta2


def test_a_run_that_diverges_is_a_result(file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    file.write_text(file.read_text().replace("0.003", "1e30").replace("[0, 1]", "[0]"))
    result = tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    assert result["runs"][1]["diverged"]
    assert "| wild/er | 0 (and 1 diverged) |" in to_table(result)


def test_runs_at_once_are_the_same_runs(file, tmp_path, monkeypatch) -> None:
    file.write_text(file.read_text().replace("[0, 1]", "[1]"))
    study, threads = tuning.open_study(str(file)), ["--threads", "1"]
    together, said = threading.Barrier(2), []
    wait_for = tuning._wait_for
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    alone = tuning.run_study(study, tmp_path / "alone", threads, print)

    def only_with_another(command: list[str], alone: bool) -> int:
        together.wait(timeout=60)
        return wait_for(command, alone)

    monkeypatch.setattr(tuning, "_wait_for", only_with_another)
    both = tuning.run_study(study, tmp_path / "both", threads, said.append, jobs=2)
    assert len(said) == 2
    for a, b in zip(alone["runs"], both["runs"], strict=True):
        assert (a["variant"], a["seed"], a["loss"]) == (b["variant"], b["seed"], b["loss"])
        assert (a["jobs"], b["jobs"]) == (1, 2)
    assert json.loads((tmp_path / "both/study.json").read_text())["runs"] == both["runs"]


def test_a_failure_among_runs_at_once_begins_no_more(file, tmp_path, monkeypatch, capfd) -> None:
    begun, wait_for, failed = [], tuning._wait_for, threading.Event()

    def first_fails(command: list[str], alone: bool) -> int:
        begun.append(command)
        if command[command.index("--seed") + 1] == "0" and "--flip" not in command:
            code = wait_for([*command, "--data-dir", str(tmp_path)], alone)
            failed.set()
            return code
        assert failed.wait(200)
        time.sleep(1)  # until the study has heard of it
        return DivergedError.exit_code

    monkeypatch.setattr(tuning, "_wait_for", first_fails)
    with pytest.raises(FashionCNNError, match="as it is, seed 0: .* ended with 3"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print, jobs=2)
    assert len(begun) == 2
    assert "holds no data set" in capfd.readouterr().err, "its message is passed on"


def test_a_run_that_fails_ends_the_study_with_its_code(file, tmp_path) -> None:
    study = tuning.open_study(str(file))
    with pytest.raises(FashionCNNError, match=r"as it is, seed 0: .* ended with 3") as raised:
        tuning.run_study(study, tmp_path / "out", ["--data-dir", str(tmp_path)], print)
    assert raised.value.exit_code == 3


def test_rows_are_only_reused_for_what_they_are(file, tmp_path, monkeypatch) -> None:
    def pretended(study, variant, seed, *_) -> tuple:
        times = {"training_seconds": 1.0, "command_seconds": 2.0, "resumed": False}
        return {"variant": variant, "seed": seed, "accuracy": 0.9, **times}, {}

    monkeypatch.setattr(tuning, "_train", pretended)
    folder, text = tmp_path / "out", file.read_text()

    def run() -> list:
        rows = tuning.run_study(tuning.open_study(str(file)), folder, [], print)["runs"]
        return sorted({row["seed"] for row in rows})

    assert run() == [0, 1]
    file.write_text(text.replace("[0, 1]", "[2, 1]"))
    assert run() == [1, 2], "a seed that is no longer asked for is not in the table"
    file.write_text(text.replace('"validation"', '"test"'))
    with pytest.raises(UsageError, match="measures validation accuracy"):
        run()


def test_a_study_from_before_a_field_was_there_goes_on(file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: DivergedError.exit_code)
    study, folder = tuning.open_study(str(file)), tmp_path / "out"
    tuning.run_study(study, folder, [], print)
    record = json.loads((folder / "study.json").read_text())
    for recipe in record["recipes"].values():
        del recipe["augment_classes"]
    (folder / "study.json").write_text(json.dumps(record))
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: pytest.fail("trained again"))
    assert len(tuning.run_study(study, folder, [], print)["runs"]) == 4


def test_a_run_of_another_recipe_in_the_folder_is_not_taken(file, tmp_path) -> None:
    study = tuning.open_study(str(file))
    path = tmp_path / "out/as-it-is/seed-0"
    words = ["--train-images", "300", "--epochs", "2", "--no-test", "--output", str(path)]
    assert main(["train", "baseline", *words]) == 0
    with pytest.raises(UsageError, match="holds a run of another recipe"):
        tuning.run_study(study, tmp_path / "out", [], print)


def test_the_table_pairs_by_seed() -> None:
    accuracies = {"a": [0.90, 0.92, 0.91], "b": [0.91, 0.93, 0.93]}
    runs = [
        {
            "variant": variant,
            "seed": seed,
            "accuracy": accuracy,
            "training_seconds": 2.0,
            "command_seconds": 5.0 + seed,
            "resumed": False,
        }
        for variant, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    result = {"recipe": "fast", "measure": "test", "variants": {"a": {}, "b": {}}, "runs": runs}
    first, second = to_table(result).splitlines()[2:]
    assert first == "| a | 3 | 91.00 ± 1.00 % |  | 2.0 s | 6.0 s |"
    # Differences 1, 1, 2: mean 1.333, sd 0.577, t(2) = 4.303: 4.303 x 0.577 / 3 ** 0.5 = 1.434
    assert second == "| b | 3 | 92.33 ± 1.15 % | +1.33 (-0.10 to +2.77) | 2.0 s | 6.0 s |"


def test_pairs_are_of_one_seed_and_times_of_runs_in_one_go_on_one_machine() -> None:
    """Of b seed 1 diverged and seed 2 came first; of a one run was resumed, one ran elsewhere."""
    here, elsewhere = {"device_name": "here"}, {"device_name": "elsewhere"}
    runs = [
        {
            "variant": variant,
            "seed": seed,
            "resumed": resumed,
            "environment": where,
            "training_seconds": seconds,
            "command_seconds": 2 * seconds,
            **({"accuracy": accuracy} if accuracy else {"diverged": True}),
        }
        for variant, seed, accuracy, resumed, where, seconds in (
            ("a", 0, 0.90, False, here, 10.0),
            ("a", 1, 0.91, True, here, 100.0),
            ("a", 2, 0.94, False, elsewhere, 300.0),
            ("b", 2, 0.95, False, here, 11.0),
            ("b", 1, None, False, here, 12.0),
            ("b", 0, 0.93, False, here, 13.0),
        )
    ]
    result = {"recipe": "fast", "measure": "test", "variants": {"a": {}, "b": {}}, "runs": runs}
    assert differences(result, "b") == pytest.approx([1.0, 3.0])
    assert differences(result, "a") == [0.0, 0.0, 0.0]
    first, second = to_table(result).splitlines()[2:]
    assert first == "| a | 3 | 91.67 ± 2.08 % |  | 10.0 s (n=1) | 20.0 s (n=1) |"
    # Differences 1 and 3: mean 2, sd 1.414, t(1) = 12.706: 12.706 x 1.414 / 2 ** 0.5 = 12.71
    ends = "+2.00 (-10.71 to +14.71)"
    assert second == f"| b | 2 (and 1 diverged) | 94.00 ± 1.41 % | {ends} | 12.0 s | 24.0 s |"


def rows_of(eces: dict[str, list[float]], shirts: dict[str, list[float]]) -> dict:
    """A study of a few rows, as `study.json` holds one."""
    runs = [
        {
            "variant": variant,
            "seed": seed,
            "accuracy": 0.9,
            "ece": ece,
            "class_accuracy": dict.fromkeys(CONFUSED, 0.8) | {"Shirt": shirts[variant][seed]},
            "training_seconds": 2.0,
            "command_seconds": 5.0,
            "resumed": False,
        }
        for variant, values in eces.items()
        for seed, ece in enumerate(values)
    ]
    named = {"name": "s", "recipe": "baseline", "measure": "validation", "seeds": [0, 1, 2]}
    return {**named, "variants": {variant: {} for variant in eces}, "runs": runs}


def test_the_class_table_pairs_by_seed() -> None:
    eces = {"a": [0.02, 0.03, 0.04], "b": [0.01, 0.02, 0.02]}
    result = rows_of(eces, {"a": [0.70, 0.72, 0.74], "b": [0.71, 0.73, 0.76]})
    lines = to_class_table(result).splitlines()
    wanted = "| baseline, validation | n | ECE | T-shirt/top | Pullover | Coat | Shirt |"
    assert lines[0] == wanted
    assert lines[2].startswith("| a | 3 | 3.00 ± 1.00 % | 80.00 ± 0.00 % |")
    assert lines[2].endswith("| 72.00 ± 2.00 % |")
    # Differences -1, -1, -2 and 1, 1, 2: the interval of `test_the_table_pairs_by_seed`.
    assert lines[3].startswith("| b | 3 | -1.33 (-2.77 to +0.10) | +0.00 (+0.00 to +0.00) |")
    assert lines[3].endswith("| +1.33 (-0.10 to +2.77) |")


def test_both_checkpoints_stand_in_a_table() -> None:
    """What the last epoch gains is seen, also where another checkpoint answers."""
    result = rows_of(dict.fromkeys("ab", [0.01] * 3), dict.fromkeys("ab", [0.7] * 3))
    assert to_checkpoint_table(result) == "", "rows from before have neither"
    ends = {"a": [0.90, 0.90, 0.90], "b": [0.91, 0.91, 0.92]}
    for row in result["runs"]:
        row["checkpoints"] = {
            "best": {"epoch": 2, "accuracy": 0.9, "loss": 1.0},
            "final": {"epoch": 3, "accuracy": ends[row["variant"]][row["seed"]], "loss": 2.0},
        }
    del result["runs"][0]["checkpoints"]["best"]
    first, second = to_checkpoint_table(result).splitlines()[2:]
    same = "90.00 ± 0.00 % | +0.00 (+0.00 to +0.00)"
    assert first == f"| a | 2 | {same} | 3 | {same} |"
    # The interval of `test_the_table_pairs_by_seed`, from what the first variant answers with.
    assert second == f"| b | 3 | {same} | 3 | 91.33 ± 0.58 % | +1.33 (-0.10 to +2.77) |"


def test_rows_without_the_figures_leave_gaps() -> None:
    """A run that diverged, and rows from before a figure was noted."""
    result = rows_of({"a": [0.02, 0.03], "b": [0.01, 0.02]}, {"a": [0.7, 0.7], "b": [0.7, 0.7]})
    result["runs"][3] = {"variant": "b", "seed": 1, "diverged": True, "resumed": False}
    del result["runs"][0]["ece"]
    lines = to_class_table(result).splitlines()
    assert lines[2].startswith("| a | 1 | 3.00 % |")
    assert lines[3].startswith("| b | 0 |  | +0.00 |"), "no seed has both"
    assert differences_plot(result).startswith(b"\x89PNG")


def test_the_findings_are_ready_to_run() -> None:
    study = tuning.open_study("findings")
    assert len(study.seeds) >= 3
    assert study.measure == "validation"
    first = next(iter(study.variants))
    plain = study.recipe_of(first, 0)
    assignment = Recipe(epochs=plain.epochs, precision=plain.precision)
    assert plain == assignment, "the first is the assignment's recipe"
    for variant in study.variants:
        recipe = study.recipe_of(variant, 0)
        assert recipe.epochs == plain.epochs
        assert variant == first or recipe != plain, variant


def test_a_variant_may_name_its_framework(file, monkeypatch, tmp_path) -> None:
    commands = []
    monkeypatch.setattr(tuning, "_wait_for", lambda words, alone: commands.append(words[3:]) or 5)
    file.write_text(file.read_text().replace("flip = true", 'framework = "keras"'))
    study = tuning.open_study(str(file))
    result = tuning.run_study(study, tmp_path / "out", [], print)
    assert commands[1][commands[1].index("--framework") + 1] == "keras"
    assert "--framework" not in commands[0]
    assert result["recipes"]["wild/er"]["framework"] == "keras"
    file.write_text(file.read_text().replace('framework = "keras"', ""))
    with pytest.raises(UsageError, match="has other values for 'wild/er'"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)


def test_a_variant_that_never_trained_may_be_corrected(file, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(tuning, "_wait_for", lambda words, alone: 2 if "--flip" in words else 5)
    with pytest.raises(FashionCNNError, match="wild/er, seed 0: fashion-cnn ended with 2"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    file.write_text(file.read_text().replace("flip = true", "translate = 2"))
    result = tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    assert result["recipes"]["wild/er"]["translate"] == 2
    assert len(result["runs"]) == 4


@pytest.fixture
def kept(file, tmp_path, monkeypatch) -> Path:
    """The record of a study that is done."""
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: DivergedError.exit_code)
    tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    record, row = tmp_path / "out/study.json", {"accuracy": 0.9, "ece": 0.1}
    found = json.loads(record.read_text())
    row |= {"class_accuracy": {"Coat": 1}, "checkpoints": {"best": {"accuracy": 0.9}}}
    row |= {"training_seconds": 1.0, "command_seconds": 2.0}
    for one in found["runs"]:
        del one["diverged"]
        one.update(row)
    record.write_text(json.dumps(found))
    return record


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("runs", 5, "(runs is 5)"),
        ("runs", [3], "(runs is 3)"),
        ("runs", [{"variant": "as it is", "resumed": False}], "(it lacks runs.seed)"),
        ("runs", [{"variant": [1], "seed": 0, "resumed": False}], "(runs.variant is [1])"),
        ("runs", [{"variant": "as it is", "seed": 0, "resumed": False}] * 2, "(it has two rows of"),
        ("recipes", [], "(recipes is [])"),
        ("recipes", {"as it is": 1}, "(recipes.as it is is 1)"),
        ("recipes", {"as it is": [1]}, "(recipes.as it is is [1])"),
        ("recipes", {"as it is": {"name": "baseline", "epochs": "x"}}, "'as it is': epochs is 'x'"),
        ("measure", None, "(measure is None)"),
        ("accuracy", "high", "(runs.accuracy is 'high')"),
        ("accuracy", 10**400, "(runs.accuracy is 1000"),
        ("accuracy", -0.5, "(runs.accuracy is -0.5)"),
        ("ece", None, "(runs.ece is None)"),
        ("class_accuracy", 5, "(runs.class_accuracy is 5)"),
        ("class_accuracy", {"Coat": "x"}, "(runs.class_accuracy.Coat is 'x')"),
        ("checkpoints", 1, "(runs.checkpoints is 1)"),
        ("checkpoints", {"best": {}}, "(it lacks runs.checkpoints.best.accuracy)"),
        ("training_seconds", "long", "(runs.training_seconds is 'long')"),
        ("environment", [], "it has no environment"),
        ("command_seconds", -1, "(runs.command_seconds is -1)"),
        ("resumed", "no", "(runs.resumed is 'no')"),
        ("resumed", ..., "(it lacks runs.resumed)"),
    ],
)
def test_an_altered_record_of_a_study_is_told(file, kept, key, value, words) -> None:
    study, found = tuning.open_study(str(file)), json.loads(kept.read_text())
    to_tables(tuning.run_study(study, kept.parent, [], print))
    altered = found if key in found else found["runs"][0]
    altered[key] = value
    if value is ...:
        del altered[key]
    kept.write_text(json.dumps(found))
    before = kept.read_bytes()
    with pytest.raises(UsageError, match=r"study\.json") as raised:
        tuning.run_study(study, kept.parent, [], print)
    assert words in str(raised.value)
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": (0, 0)}, "seeds must be different whole numbers"),
        ({"measure": "both"}, "measure must be"),
        ({"variants": {"mine": {"epoch": 1}}}, "epoch"),
        ({"recipe": "quick"}, "quick"),
        ({"name": "../out"}, "the study's name"),
    ],
)
def test_a_study_made_by_hand_is_checked_as_a_file_is(change, words: str) -> None:
    study = tuning.Study("some", "baseline", (0, 1), "validation", {"mine": {"epochs": 2}})
    assert tuning.open_study(study) == study
    with pytest.raises(UsageError, match=words):
        tuning.open_study(dataclasses.replace(study, **change))


def test_a_record_that_is_no_file_is_not_waited_for(file, kept) -> None:
    kept.unlink()
    os.mkfifo(kept)
    with pytest.raises(UsageError, match=r"study.json is not a plain file"):
        tuning.run_study(tuning.open_study(str(file)), kept.parent, [], print)


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("study.json")), ids=lambda p: p.parent.name)
def test_the_records_of_studies_are_read(path: Path) -> None:
    assert " % | " in to_tables(tuning._read_record(path))


@pytest.mark.parametrize("place", ["as-it-is", "wild-er/seed-1"])
def test_a_study_trains_through_no_link(file, tmp_path, monkeypatch, place: str) -> None:
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: pytest.fail("trained"))
    link, theirs = tmp_path / "out" / place, tmp_path / "theirs"
    theirs.mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs)
    with pytest.raises(UsageError, match=f"{place} is a link; .* remove it"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    assert not (tmp_path / "out/study.json").exists()


@pytest.mark.parametrize("jobs", [0, -1, "2", 1.0, True])
def test_jobs_are_a_number_of_runs(file, tmp_path, jobs) -> None:
    with pytest.raises(UsageError, match="jobs is .*; it must be a whole number of at least 1"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print, jobs=jobs)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({5: 1}, "unknown key 5"),
        ({"name": 5}, "the study's name is 5; it must be a string"),
        ({"seeds": [[1]]}, "seeds must be different whole numbers"),
        ({"seeds": [{"a": 1}]}, "seeds must be different whole numbers"),
        ({"seeds": [True]}, "seeds must be different whole numbers"),
        ({"seeds": [0, -1]}, "seed is -1"),
        ({"measure": ["test"]}, "measure is missing, or is not a str"),
        ({"recipe": 3}, "recipe is missing, or is not a str"),
        ({"variants": {5: {}}}, "the names of variants and of fields must be strings"),
        ({"variants": {"a": {5: 1}}}, "the names of variants and of fields must be strings"),
        ({"fields": {None: 1}}, "the names of variants and of fields must be strings"),
        ({"fields": {"recipe": [1]}}, "a variant's recipe must be a name of the catalogue"),
        ({"variants": {"a": {"recipe": {}}}}, "a variant's recipe must be a name of the catalogue"),
        ({"variants": {"a": {"framework": []}}}, "framework is ()"),
        ({"fields": 5}, "each a table of recipe fields"),
    ],
)
def test_tables_of_other_types_are_no_study(change: dict, words: str) -> None:
    study = {"recipe": "fast", "seeds": [0], "measure": "validation", "variants": {"a": {}}}
    tuning.open_study(study)
    with pytest.raises(UsageError) as raised:
        tuning.open_study({**study, **change})
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("flip = true", "framework = 'jax'"),
            "framework is 'jax'; it must be one of pytorch, keras",
        ),
        (("measure", "mesure"), "unknown key 'mesure' (did you mean 'measure'?)"),
        (('"validation"', '"tset"'), "measure must be 'validation' or 'test'"),
        (("[0, 1]", "[]"), "seeds must be different whole numbers"),
        (("[0, 1]", "[0, 0]"), "seeds must be different whole numbers"),
        (("train_images = 300", "name = 'x'"), "name is not a field to vary"),
        (("train_images = 300", "seed = 3"), "seed is not a field to vary"),
        (('[variants."as it is"]', "[variants]\nplain = 3"), "each a table of recipe fields"),
        (('[variants."as it is"]', '[variants."wild-er"]'), "would share a folder"),
        (('[variants."as it is"]', '[variants.".."]'), "the folder of a variant is '..'"),
        (("[0, 1]", "3"), "seeds is missing, or is not a list"),
        (("flip", "flop"), "a recipe has no 'flop' (did you mean 'flip'?)"),
        (("0.003", "-1.0"), "learning_rate (--lr) is -1.0"),
        (('"baseline"', '"basline"'), "did you mean 'baseline'"),
        (("epochs = 1", "epochs ="), "rates.toml is not valid TOML"),
    ],
)
def test_a_wrong_study_is_told_before_anything_is_trained(file, change, words: str) -> None:
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(UsageError) as raised:
        tuning.open_study(str(file))
    assert words in str(raised.value)


def test_an_unknown_study_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'speedrun'"):
        tuning.open_study("spedrun")


def test_every_command_of_the_findings_is_its_recipe(monkeypatch, tmp_path) -> None:
    """What the study types is read back by `train` as the recipe that it means."""
    study, typed = tuning.open_study("findings"), []

    def noted(command: list[str], alone: bool) -> int:
        typed.append(command[3:])
        return DivergedError.exit_code

    monkeypatch.setattr(tuning, "_wait_for", noted)
    tuning.run_study(study, tmp_path, [], lambda line: None)
    wanted = [study.recipe_of(variant, seed) for seed in study.seeds for variant in study.variants]
    assert len(typed) == len(wanted) == 3 * 15
    fields = {item.name for item in dataclasses.fields(Recipe)}
    for words, recipe in zip(typed, wanted, strict=True):
        assert words[:2] == ["train", "baseline"]
        given = train.make_context("train", words[1:]).params
        changes = {name: value for name, value in given.items() if value is not None}
        assert Recipe().replace(**{k: v for k, v in changes.items() if k in fields}) == recipe


def test_a_training_that_is_killed_ends_as_a_shell_says() -> None:
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert tuning._wait_for(killed, alone=False) == 128 + 9
    assert tuning._wait_for([sys.executable, "-c", "raise SystemExit(3)"], alone=True) == 3


def test_rows_of_other_data_are_not_taken_for_these(file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    file.write_text(file.read_text().replace("[0, 1]", "[0]"))
    api.study(file, tmp_path / "out")
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: pytest.fail("trained again"))
    assert len(api.study(file, tmp_path / "out")["runs"]) == 2
    split = make_split(300)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"study.json was made with other data; give another"):
        api.study(file, tmp_path / "out", data=(split.images, split.labels))


def test_a_bar_in_a_name_stays_in_its_cell() -> None:
    assert aligned(f"| a | b |\n|---|---|\n| {cell('x|y')} | 1 |").splitlines()[-1] == "x|y  1"


def test_a_test_accuracy_is_not_taken_of_a_sealed_run(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "_wait_for", train_here)
    file, short = tmp_path / "rates.toml", STUDY.replace("[0, 1]", "[0]")
    file.write_text(short)
    tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    (tmp_path / "out/study.json").unlink()
    file.write_text(short.replace('"validation"', '"test"'))
    with pytest.raises(UsageError, match="the test set of .* is sealed; open it with: fashion-cnn"):
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)


def test_a_study_in_a_folder_is_one_process(file, tmp_path) -> None:
    study = tuning.open_study(str(file))
    with hold(tmp_path / "out/.lock"), pytest.raises(UsageError, match="is in use by process"):
        tuning.run_study(study, tmp_path / "out", [], print)


def test_sigterm_stops_the_trainings_of_a_study(file, tmp_path, monkeypatch) -> None:
    """Alone they would go on, and hold their folders."""
    begun = tmp_path / "begun"
    child = [sys.executable, "-c", f"import time; open({str(begun)!r}, 'w'); time.sleep(60)"]
    wait_for = tuning._wait_for
    monkeypatch.setattr(tuning, "_wait_for", lambda _, alone: wait_for(child, alone))

    def kill() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before, killer = signal.getsignal(signal.SIGTERM), threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    with pytest.raises(FashionCNNError, match="ended with 143") as caught:
        tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    killer.join()
    assert caught.value.exit_code == 143
    assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) == before
