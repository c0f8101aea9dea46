"""Searches: what may be searched, what is measured, pruned, stopped, shared and gone on with."""

import dataclasses
import os
import resource
import shlex
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

import fashion_cnn as fc
from fashion_cnn.cli import main
from fashion_cnn.cli.train import train
from fashion_cnn.errors import OUT_OF_ROOM, FashionCNNError, UsageError
from fashion_cnn.evaluation.metrics import measure
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.search import to_text
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.run.lock import hold
from fashion_cnn.tuning import choosing, storage
from fashion_cnn.tuning import search as searching
from fashion_cnn.tuning.pictures import draw_search
from fashion_cnn.tuning.search import open_search, run_search
from fashion_cnn.tuning.space import CHOICES, Search, parse_space
from finished import metrics_of
from pages import commands

ASKED_BY_HAND = pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
SPACE = ("lr=1e-4:1e-1:log", "batch_size=64,128,256", "flip=on,off")


@pytest.fixture(autouse=True)
def no_pictures(here, monkeypatch) -> None:
    monkeypatch.setattr("fashion_cnn.tuning.pictures.draw_search", lambda study, seed: {})


def test_what_is_allowed_is_what_there_is() -> None:
    for name, table in (("sampler", choosing._SAMPLERS), ("pruner", choosing.PRUNERS)):
        assert CHOICES[name] == tuple(table)
        assert CHOICES[name][0] == getattr(Search, name)


def wanted(trials: int, *, space=SPACE, **changes) -> Search:
    recipe = Recipe(epochs=3)
    parsed = parse_space(space, recipe, {})
    given = {"epochs": 3}
    return Search(name="s", recipe=recipe, given=given, space=parsed, trials=trials, **changes)


def quality(words: list[str]) -> float:
    """What a pretended training reaches: best at a learning rate of 0.01."""
    rate = float(words[words.index("--lr") + 1])
    return 0.9 - 0.5 * abs(rate - 0.01) + 0.001 * ("--flip" in words)


class Pretended:
    """In place of `follow_training`: at once, with a note of every command."""

    def __init__(self, codes: tuple[int, ...] = ()) -> None:
        self.commands: list[list[str]] = []
        self.codes = list(codes)

    def __call__(self, words, run, messages, interruption, epoch) -> int:
        self.commands.append(words)
        run.path.mkdir(exist_ok=True)
        messages.write_text("fashion-cnn: as it should be\n")
        if code := (self.codes.pop(0) if self.codes else 0):
            return code
        for number in (1, 2, 3):
            value = quality(words) - 0.1 / number
            if epoch(EpochRecord(number, number, 0.1, 1.0, 0.5, 1.0 - value, value, 1.0, 1.0)):
                return 143
        shown = measure(9 * np.eye(2, dtype=np.float32), np.arange(2), ("a", "b"), "validation")
        shown = dataclasses.replace(shown, accuracy=quality(words), loss=1 - quality(words))
        run.results.write_metrics(metrics_of(shown))
        return 0


@pytest.fixture
def pretended(monkeypatch) -> Pretended:
    trainings = Pretended()
    monkeypatch.setattr(searching, "follow_training", trainings)
    return trainings


def search(folder: Path, wanted: Search, storage: str = "") -> dict:
    result, signal = run_search(wanted, folder, storage, [], lambda line: None)
    assert signal is None
    return result


@contextmanager
def study_in(folder: Path, trials: int = 1) -> Iterator[optuna.Study]:
    """The study behind a search of so many trials."""
    search(folder, wanted(trials))
    place = f"sqlite:///{folder}/search.db"
    with storage.open_storage(place, lambda study, trial: None) as opened:
        yield optuna.load_study(study_name="s", storage=opened)


def test_the_command_of_the_best_names_the_data_that_were_searched(tmp_path, pretended) -> None:
    given = ["--data-dir", "my own", "--threads", "1"]
    result, _ = run_search(wanted(2), tmp_path / "out", "", given, lambda line: None)
    typed = shlex.split(to_text(result).splitlines()[-1])
    params = train.make_context("train", typed[2:]).params
    assert (typed[:2], params["data_dir"]) == (["fashion-cnn", "train"], Path("my own"))
    assert (params["threads"], params["no_test"]) == (1, False)


def test_a_search_finds_what_is_better(tmp_path, pretended) -> None:
    result = search(tmp_path / "out", wanted(25))
    states = Counter(row["state"] for row in result["trials"])
    assert states.total() == len(pretended.commands) == 25
    assert states["pruned"] >= 3
    best = result["best"]
    assert best["value"] == max(quality(words) for words in pretended.commands)
    assert abs(best["recipe"]["learning_rate"] - 0.01) < 0.005
    for words in pretended.commands:
        assert "--no-test" in words
    for row in result["trials"]:
        assert len(row["validation"]) == row["epochs"]
        assert (row["epochs"] < 3) == (row["state"] == "pruned")
    assert sum(result["importances"].values()) == pytest.approx(1)
    assert max(result["importances"], key=result["importances"].get) == "learning_rate"

    # The command, read back, is the recipe.
    assert best["command"][:3] == ["fashion-cnn", "train", "baseline"]
    typed = train.make_context("train", best["command"][2:]).params
    fields = Recipe().to_dict()
    changes = {k: v for k, v in typed.items() if k in fields and v is not None and k != "name"}
    assert Recipe().replace(**changes) == Recipe.from_dict(best["recipe"])
    text = to_text(result)
    assert text.splitlines()[2].startswith(f"| {best['trial']} | {100 * best['value']:.2f} % |")
    assert f"25 trials: {states['complete']} complete, {states['pruned']} pruned" in text
    with open_search(wanted(25), tmp_path / "out", "") as study:
        pictures = draw_search(study, 0)
    assert set(pictures) == {"history", "epochs", "slice", "importances"}
    assert all(png.startswith(b"\x89PNG") for png in pictures.values())


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials_stopped_or_not(tmp_path, pretended, sampler) -> None:
    options = {"sampler": sampler, "pruner": "none"}
    straight = search(tmp_path / "a", wanted(12, **options))
    search(tmp_path / "b", wanted(5, **options))
    halves = search(tmp_path / "b", wanted(12, **options))
    points = [[row["params"] for row in result["trials"]] for result in (straight, halves)]
    assert points[0] == points[1]
    assert len({str(point) for point in points[0]}) > 6, "nor does it draw one again and again"


@pytest.mark.parametrize("pruner", ["hyperband", "none"])
def test_every_pruner_prunes_or_not(tmp_path, pretended, pruner) -> None:
    result = search(tmp_path, wanted(20, pruner=pruner, sampler="random"))
    states = Counter(row["state"] for row in result["trials"])
    assert (states["pruned"] == 0) == (pruner == "none")
    assert states["complete"] > 0


def test_loss_is_to_be_low(tmp_path, pretended) -> None:
    result = search(tmp_path, wanted(6, objective="loss", pruner="none"))
    assert result["best"]["value"] == min(1 - quality(words) for words in pretended.commands)
    assert "| validation loss |" in to_text(result)


def test_a_search_from_python_is_that_of_the_command_line(tmp_path, pretended) -> None:
    """With all digits of its values, and held to the code of a network of one's own."""
    (tmp_path / "net.py").write_text("from torch import nn\nclass Net(nn.Flatten): ...\n")
    rates = [0.0123456789, 0.02]
    space, own = {"learning_rate": rates, "flip": [True, False]}, "net.py:Net"
    result = fc.tune("fast", "python", search=space, trials=3, model=own, threads=1)
    typed = ["learning_rate=0.0123456789,0.02", "flip=on,off"]
    words = ["--threads", "1", "--model", own, "--trials", "3", "--output", "shell"]
    assert main(["tune", "fast", *typed, *words]) == 0
    assert len(result["trials"]) == 3
    python, shell = pretended.commands[:3], pretended.commands[3:]
    for one, other in zip(python, shell, strict=True):
        assert one[one.index("--model-sha256") + 1] == other[other.index("--model-sha256") + 1]
        assert float(one[one.index("--lr") + 1]) in rates


def test_workers_of_one_storage_share_by_the_recipe_s_name(tmp_path, pretended) -> None:
    for folder in ("one", "two"):
        words = ["--search", SPACE[0], "--trials", "2", "--output", str(tmp_path / folder)]
        assert main(["tune", "fast", *words, "--storage", f"sqlite:///{tmp_path}/shared.db"]) == 0
    assert len(pretended.commands) == 2, "the second found all done"


def test_divergence_is_a_result_and_a_failure_is_not(tmp_path, pretended) -> None:
    pretended.codes = [5, 0, 3]
    with pytest.raises(FashionCNNError, match="trial 2 ended with 3: as it should be") as raised:
        search(tmp_path, wanted(3))
    assert raised.value.exit_code == 3
    result = search(tmp_path, wanted(3))
    states = [row["state"] for row in result["trials"]]
    assert states == ["diverged", "complete", "failed", "complete"], "another takes its place"


def test_nothing_to_show_is_said(tmp_path, pretended) -> None:
    pretended.codes = [5]
    result = search(tmp_path, wanted(1))
    assert "no trial is complete yet" in to_text(result)
    with open_search(wanted(1), tmp_path, "") as study:
        assert draw_search(study, 0) == {}


@ASKED_BY_HAND
def test_what_a_dead_worker_left_goes_on(tmp_path, pretended) -> None:
    """In its folder, with --resume; a living worker's trial is left alone."""
    with study_in(tmp_path) as study:
        for number, retries in ((1, 0), (2, 0), (3, 3)):
            trial = study.ask()
            for dimension in wanted(1).space:
                dimension.suggest(trial)
            place = searching._Worker(wanted(1), tmp_path, [], print).place
            for key, value in {
                "place": place,
                "folder": f"{number:04d}",
                "retries": retries,
            }.items():
                trial.set_user_attr(key, value)
            (tmp_path / f"trials/{number:04d}").mkdir()
            (tmp_path / f"trials/{number:04d}/recipe.json").write_text("{}")
            environment = tmp_path / f"trials/{number:04d}/environment.json"
            environment.write_text('{"framework": "pytorch"}')
        left = study.trials[1].params
    with hold(tmp_path / "trials/.0002.lock"):
        result = search(tmp_path, wanted(4))
    rows = {row["trial"]: row for row in result["trials"]}
    assert [row["state"] for row in rows.values()] == [
        "complete", "running", "failed", "complete", "complete"
    ], "the fourth had taken its worker down too often"  # fmt: skip
    assert (rows[4]["folder"], rows[4]["retries"]) == ("0001", 1)
    assert rows[4]["params"] == left
    assert "--resume" in pretended.commands[1]
    assert "--resume" not in pretended.commands[2]


def test_a_trial_is_its_workers_until_the_study_knows_its_value(
    tmp_path, pretended, monkeypatch
) -> None:
    """Another worker may look between the end of a training and the end of its trial."""
    tell, said = optuna.study._optimize._tell_with_warning, []

    def looked_at(study: optuna.Study, *rest, **named):
        other = searching._Worker(wanted(2), tmp_path, [], said.append)
        other._take_over_the_dead(study)
        return tell(study, *rest, **named)

    monkeypatch.setattr(optuna.study._optimize, "_tell_with_warning", looked_at)
    result = search(tmp_path, wanted(2))
    assert [row["state"] for row in result["trials"]] == ["complete", "complete"]
    assert not said


@ASKED_BY_HAND
def test_a_database_notices_a_silent_worker(tmp_path, pretended, monkeypatch) -> None:
    monkeypatch.setattr(storage, "_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storage, "_SILENT_SECONDS", 1)
    with study_in(tmp_path) as study:
        trial = study.ask()
        for dimension in wanted(1).space:
            dimension.suggest(trial)
        trial.set_user_attr("place", "another machine")
        trial.set_user_attr("folder", "0001")
        study._storage.record_heartbeat(trial._trial_id)
    with closing(sqlite3.connect(tmp_path / "search.db")) as database, database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-10 seconds')")
    result = search(tmp_path, wanted(2))
    assert [(row["state"], row["retries"]) for row in result["trials"]] == [
        ("complete", 0), ("complete", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("then", ["answers", "reports", "prunes"])
def test_a_worker_that_stood_still_gives_its_trial_away(
    tmp_path, pretended, monkeypatch, then: str
) -> None:
    """Suspended for minutes, it is taken for dead, and its trial is ended by another."""
    measure, taken = searching._Worker._measure, []

    def long(self, trial: optuna.Trial, *rest) -> float:
        if not taken:
            taken.append(trial.number)
            trial.storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
            if then == "reports":
                trial.report(0.5, 1)
            if then == "prunes":
                raise optuna.TrialPruned
            return 0.5
        return measure(self, trial, *rest)

    monkeypatch.setattr(searching._Worker, "_measure", long)
    result = search(tmp_path, wanted(1))
    assert [row["state"] for row in result["trials"]] == ["failed", "complete"]


def test_an_error_of_a_training_is_none_of_the_storages(tmp_path, pretended, monkeypatch) -> None:
    def fail(*_) -> float:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(searching._Worker, "_measure", fail)
    with pytest.raises(ValueError, match="a bug of ours"):
        search(tmp_path, wanted(1))


@ASKED_BY_HAND
def test_of_two_last_trials_begun_at_once_one_is_withdrawn(tmp_path, pretended) -> None:
    with study_in(tmp_path) as study:
        study.ask()  # the other worker's, who was faster
        worker = searching._Worker(wanted(2), tmp_path, [], print)
        with pytest.raises(searching._SurplusError):
            worker._try(study, study.ask(), None, ExitStack())


def test_another_search_of_the_name_is_refused(tmp_path, pretended) -> None:
    search(tmp_path, wanted(1))
    for other in (wanted(2, space=("lr=1e-3:1e-1",)), wanted(2, objective="loss")):
        with pytest.raises(UsageError, match="another"):
            search(tmp_path, other)
    of_data = wanted(1, data_sha256={"train-images-idx3-ubyte": "a"})
    search(tmp_path, of_data)  # of a search of before that was not noted
    search(tmp_path, wanted(1))
    with pytest.raises(UsageError, match="with another data set"):
        search(tmp_path, wanted(1, data_sha256={"train-images-idx3-ubyte": "b"}))
    (tmp_path / "search.db").unlink()
    (tmp_path / "trials/0000/recipe.json").write_text("{}")
    with pytest.raises(UsageError, match="is of another search"):
        search(tmp_path, wanted(1))


def test_tables_of_another_optuna_are_told_with_the_way_out(tmp_path, pretended) -> None:
    search(tmp_path, wanted(1))
    with closing(sqlite3.connect(tmp_path / "search.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        database.execute("UPDATE version_info SET library_version = '0.9.0'")
    with pytest.raises(UsageError, match=r"cannot be used: .*optuna storage upgrade") as raised:
        search(tmp_path, wanted(2))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nosuchdb://x/y", "storage nosuchdb://x/y"),
        ("postgresql://me:secret@127.0.0.1:1/x", r"postgresql\+psycopg://me:\*\*\*@127.*refused"),
        ("sqlite:////proc/no/such.db", "cannot be used: unable to open"),
        ("mysql://u@h/d", "needs a driver that is not installed"),
        ("journal.log", "storage 'journal.log' is no database URL"),
        (5, "storage is 5; it must be a database's URL"),
        ("sqlite:////dev", "/dev is not a plain file"),
        ("sqlite:////dev/null", "/dev/null is not a plain file"),
        ("sqlite:///\udce9.db", r"storage 'sqlite:///\\udce9.db' is no database URL"),
        ("postgresql://host:port/x", "storage 'postgresql://host:port/x' is no database URL"),
        (
            "postgresql://me:s3cret@db:54x2/x",
            r"'postgresql://me:\*\*\*@db:54x2/x' is no database URL",
        ),
        ("mysql://me:a/s3cret@b@h/x", r"mysql://me:\*\*\*@"),
        ("postgresql://127.0.0.1:1/x?password=s3cret", r"1/x\?password=\*\*\* cannot be used"),
        ("postgresql://127.0.0.1:1/x?sslmode=s3cret", r"1/x\?sslmode=\*\*\* cannot be used"),
        ("sqlite://", "storage sqlite:// names no file"),
        ("sqlite:///", "storage sqlite:/// names no file"),
        ("sqlite:///:memory:", "storage sqlite:///:memory: names no file"),
    ],
)
def test_a_storage_that_cannot_be_used_is_named(tmp_path, place, words) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        run_search(wanted(1), tmp_path, place, [], print)
    assert "secret" not in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_is_in_its_folder_whatever_that_is_called(tmp_path, pretended) -> None:
    out = tmp_path / "a?b %41 #$é"
    assert len(search(out, wanted(1))["trials"]) == 1
    assert (out / "search.db").is_file()
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(UsageError, match="search.db is not UTF-8"):
        search(tmp_path / "\udce9", wanted(1))


@pytest.mark.parametrize("words", commands("docs/tune.md"))
def test_the_examples_of_the_guide_run(pretended, capsys, words) -> None:
    words = [
        word.replace("postgresql://me@database/tuning", "sqlite:///tuning.db") for word in words
    ]
    assert main(words) == 0
    count = int(words[words.index("--trials") + 1]) if "--trials" in words else 40
    assert len(pretended.commands) == count
    assert f"{count} trials: " in capsys.readouterr().out


def test_a_disk_without_room_is_no_fault_of_the_command_line(tmp_path) -> None:
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 10, hard))
    try:
        with pytest.raises(OSError, match="disk I/O error") as raised, study_in(tmp_path):
            pytest.fail("it was opened")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert raised.value.errno in OUT_OF_ROOM
    assert str(tmp_path / "search.db") in raised.value.filename


@pytest.mark.parametrize("words", ["disk I/O error", "database or disk is full"])
def test_a_disk_that_fills_up_meanwhile_is_told_as_one(tmp_path, words) -> None:
    with pytest.raises(OSError, match=words) as raised, open_search(wanted(1), tmp_path, ""):
        raise StorageInternalError from OperationalError("INSERT", {}, Exception(words))
    assert raised.value.errno in OUT_OF_ROOM
    other = pytest.raises(FashionCNNError, match="the search's storage failed .*no such table")
    with other, open_search(wanted(1), tmp_path, ""):
        raise StorageInternalError from OperationalError("INSERT", {}, Exception("no such table"))


@pytest.mark.parametrize(
    ("place", "make"),
    [
        ("search.db", os.symlink),
        ("search.db", os.link),
        ("search.db-journal", os.link),
        ("trials/.0000.lock", os.symlink),
        ("trials/.0000.lock", os.link),
    ],
)
def test_a_search_writes_into_nobody_s_file(tmp_path, pretended, place, make) -> None:
    (tmp_path / "out/trials").mkdir(parents=True)
    (tmp_path / "theirs").touch()
    make(tmp_path / "theirs", tmp_path / "out" / place)
    with pytest.raises(UsageError, match=rf"{place} (is a link|has a second name).* remove it"):
        search(tmp_path / "out", wanted(1))
    assert (tmp_path / "theirs").read_bytes() == b""
    assert pretended.commands == []


@pytest.mark.parametrize("place", ["trials", "trials/0000"])
def test_a_search_writes_into_nobody_s_folder(tmp_path, pretended, place) -> None:
    link = tmp_path / "out" / place
    link.parent.mkdir(parents=True)
    (tmp_path / "theirs").mkdir()
    link.symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match=f"{place} is a link; .* remove it"):
        search(tmp_path / "out", wanted(1))
    assert list((tmp_path / "theirs").iterdir()) == pretended.commands == []


@ASKED_BY_HAND
def test_a_database_that_came_from_elsewhere_names_no_folder_outside(tmp_path, pretended) -> None:
    with study_in(tmp_path / "out") as study:
        study.enqueue_trial({}, user_attrs={"folder": "../../theirs", "retry_of": 0})
    with pytest.raises(UsageError, match=r"the folder of trial 1 is '../../theirs'"):
        search(tmp_path / "out", wanted(2))
    assert not (tmp_path / "theirs").exists()
