"""Studies: what is trained, what is not trained twice, and the table."""

import json
import statistics
from pathlib import Path

import pytest

from fashion_cnn import tuning
from fashion_cnn.cli import main
from fashion_cnn.errors import FashionCNNError, UsageError
from fashion_cnn.run.folder import Run

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
def _data(monkeypatch, real_data) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rates.toml"
    path.write_text(STUDY)
    return path


def test_a_study_trains_each_run_once_and_goes_on(file, tmp_path, capsys, monkeypatch) -> None:
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
    assert run.metrics
    assert run.metrics["test_readings"] == 0
    assert rows[-1]["accuracy"] == run.metrics["best"]["validation"]["accuracy"]
    assert rows[-1]["process_seconds"] > rows[-1]["training_seconds"]
    assert rows[-1]["command"][:3] == ["fashion-cnn", "train", "baseline"]
    assert "--no-test" in rows[-1]["command"]
    mean = statistics.mean(100 * row["accuracy"] for row in rows if row["variant"] == "wild/er")
    assert f"| wild/er | 2 | {mean:.2f} ± " in table

    file.write_text(file.read_text().replace("0.003", "0.004"))
    assert main(command) == 2
    assert "has other values for 'wild/er'" in capsys.readouterr().err


def test_a_run_that_diverges_is_a_result(file, tmp_path) -> None:
    file.write_text(file.read_text().replace("0.003", "1e30").replace("[0, 1]", "[0]"))
    result = tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)
    assert result["runs"][1]["diverged"]
    assert "| wild/er | 0 (and 1 diverged) |" in tuning.to_table(result)


def test_a_run_that_fails_ends_the_study_with_its_code(file, tmp_path) -> None:
    study = tuning.open_study(str(file))
    with pytest.raises(FashionCNNError, match=r"as it is, seed 0: .* ended with 3") as raised:
        tuning.run_study(study, tmp_path / "out", ["--data-dir", str(tmp_path)], print)
    assert raised.value.exit_code == 3


def test_rows_are_only_reused_for_what_they_are(file, tmp_path, monkeypatch) -> None:
    def pretended(study, variant, seed, *_) -> tuple:
        times = {"training_seconds": 1.0, "process_seconds": 2.0, "resumed": False}
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
    with pytest.raises(UsageError, match="is of validation accuracies"):
        run()


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
            "process_seconds": 5.0 + seed,
            "resumed": False,
        }
        for variant, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    result = {"recipe": "fast", "measure": "test", "variants": {"a": {}, "b": {}}, "runs": runs}
    first, second = tuning.to_table(result).splitlines()[2:]
    assert first == "| a | 3 | 91.00 ± 1.00 % |  | 2.0 s | 6.0 s |"
    # Differences 1, 1, 2: mean 1.333, sd 0.577, t(2) = 4.303: 4.303 x 0.577 / 3 ** 0.5 = 1.434
    assert second == "| b | 3 | 92.33 ± 1.15 % | +1.33 (-0.10 to +2.77) | 2.0 s | 6.0 s |"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("measure", "mesure"), "unknown key 'mesure' (did you mean 'measure'?)"),
        (('"validation"', '"tset"'), "measure must be 'validation' or 'test'"),
        (("[0, 1]", "[]"), "seeds must be different whole numbers"),
        (("[0, 1]", "[0, 0]"), "seeds must be different whole numbers"),
        (("train_images = 300", "name = 'x'"), "name is not a field to vary"),
        (("train_images = 300", "seed = 3"), "seed is not a field to vary"),
        (('[variants."as it is"]', "[variants]\nplain = 3"), "each is a table of fields"),
        (('[variants."as it is"]', '[variants."wild-er"]'), "would share a folder"),
        (("[0, 1]", "3"), "seeds must be there, and a list"),
        (("flip", "flop"), "a recipe has no 'flop' (did you mean 'flip'?)"),
        (("0.003", "-1.0"), "learning_rate is -1.0"),
        (('"baseline"', '"basline"'), "did you mean 'baseline'"),
        (("epochs = 1", "epochs ="), "study rates: "),
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
