"""The Python face: the commands as functions, and what it says of wrong words."""

import dataclasses
import doctest
import importlib
import json
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import fashion_cnn as fc
from conftest import REPOSITORY, make_split
from drawn import figures_instead_of_pictures
from fashion_cnn.cli import main
from fashion_cnn.errors import CheckpointError, DataError, ImageError, UsageError
from fashion_cnn.run import checkpoint
from fashion_cnn.text import aligned
from short import train_here

SETTINGS: dict[str, Any] = {"epochs": 2, "train_images": 300, "width": 4, "threads": 1}
WORDS = ["--epochs", "2", "--train-images", "300", "--width", "4", "--threads", "1"]


@pytest.fixture(scope="module")
def run(few_data: Path, tmp_path_factory: pytest.TempPathFactory) -> fc.Run:
    with figures_instead_of_pictures():
        folder = tmp_path_factory.mktemp("api") / "run"
        return fc.train("baseline", folder, data=few_data, **SETTINGS)


def test_train_is_the_command(run: fc.Run, few_data: Path, tmp_path: Path) -> None:
    words = ["train", "baseline", *WORDS, "--data-dir", str(few_data), "--output", str(tmp_path)]
    assert main(words) == 0
    weights = "checkpoints/final/model.safetensors"
    assert (run.path / weights).read_bytes() == (tmp_path / weights).read_bytes()
    other = fc.Run.open(tmp_path)
    assert (
        run.recipe
        == other.recipe
        == fc.named("baseline").replace(epochs=2, train_images=300, width=4)
    )
    unlike = {"command_seconds": 0, "training_seconds": 0}
    one, two = (dataclasses.replace(r.metrics, **unlike) for r in (run, other))
    assert one == two


def test_a_run_is_friendly_to_pandas_and_to_a_notebook(run: fc.Run) -> None:
    table = pd.DataFrame(run.history)
    assert table.epoch.tolist() == [1, 2]
    assert {"train_loss", "val_accuracy"} < set(table.columns)
    card = run._repr_html_()
    assert card.count("<svg") == 2
    assert f"{100 * run.metrics.final.validation.accuracy:.2f} %" in card
    assert repr(run) == f"Run({str(run.path)!r})"
    assert len(repr(run.metrics.shown)) < 250
    assert len(repr(run.metrics)) < 2500
    assert "best" in str(run)
    figures = run.figures()
    assert {"loss", "accuracy", "confusion_matrix", "reliability"} < set(figures)
    assert figures["loss"].axes[0].get_xlabel() == "epoch"


def test_a_run_classifies(run: fc.Run, few_data: Path) -> None:
    held_out = run.validation(few_data)
    assert len(held_out) == run.metrics.best.validation.n
    opened = run.classifier()
    answer = opened.predict(held_out.images)
    right = (answer.predicted == held_out.labels).mean()
    assert right == run.metrics.answering.validation.accuracy
    assert answer.labels == [run.class_names[place] for place in answer.predicted]
    np.testing.assert_allclose(answer.probabilities.sum(1), 1)
    assert answer.sets.any(1).all()
    assert opened.features(held_out.images[:7]).shape == (7, 128)
    as_shares = torch.from_numpy(held_out.images[:, None] / 255)
    np.testing.assert_array_equal(opened.predict(as_shares).probabilities, answer.probabilities)
    with pytest.raises(UsageError, match=r"takes \(N, 28, 28\) \(for photos"):
        opened.predict(np.zeros((60, 40, 3), np.uint8))
    with torch.no_grad():
        logits = opened.network(torch.from_numpy(held_out.images[:7]))
    np.testing.assert_array_equal(logits.numpy(), opened.logits(held_out.images[:7]))
    np.testing.assert_array_equal(
        fc.open_classifier(str(run.path)).logits(held_out.images[:7]),
        opened.logits(held_out.images[:7]),
    )


def test_a_checkpoint_that_was_not_calibrated_has_no_calibration(
    few_data: Path, tmp_path: Path, monkeypatch
) -> None:
    """Though it is the one that answers now: the run went on and was killed."""
    fitted = {"train_images": 100, "epochs": 40, "learning_rate": 0.01, "dropout": 0.0}
    run = fc.train("baseline", tmp_path / "run", data=few_data, width=8, **fitted)
    images, other = run.validation(few_data).images, _other(run)
    assert run.checkpoints.sha256(run.answering) != run.checkpoints.sha256(other)
    assert run.classifier().predict(images).sets.any()
    with pytest.raises(UsageError, match="no calibration"):
        run.classifier(other).predict(images)
    monkeypatch.setattr(fc.Run, "answering", property(lambda self: other))
    with pytest.raises(UsageError, match="no calibration"):
        run.classifier().predict(images)


def test_a_checkpoint_is_a_name(run: fc.Run) -> None:
    with pytest.raises(UsageError, match="checkpoint is 5; it must be a name"):
        fc.open_classifier(run, 5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no 'treads'.*did you mean 'threads'"):
        run.classifier(treads=2)


def _other(run: fc.Run) -> str:
    return "final" if run.answering == "best" else "best"


def test_evaluate_report_export_and_compare_take_folders(
    run: fc.Run, few_data: Path, tmp_path: Path
) -> None:
    again = fc.evaluate(str(run.path), data=str(few_data))
    assert again.metrics.test_readings == run.metrics.test_readings
    assert fc.report(run, tmp_path / "page.html", data=few_data).read_text().startswith("<!doctype")
    model = fc.export(run.path, data=few_data)
    assert model == run.path / "model.onnx"
    images = make_split(20).images
    answers = fc.predict(images, model=run)
    wanted = run.classifier().predict(images)
    assert isinstance(answers, list)
    assert [one.label for one in answers if isinstance(one, fc.Prediction)] == wanted.labels
    second = fc.train(
        run.recipe, tmp_path / "second", data=few_data, seed=1, threads=1, framework="pytorch"
    )
    found = fc.compare(run, str(second.path))
    assert "McNemar" in str(found)
    assert aligned(unescape(found._repr_markdown_())) == str(found), "Markdown is for notebooks"
    assert "|" not in str(found)
    assert len(found.figure().axes) == 2


class ReachedError(Exception):
    """Raised in place of the work, with the words that it was given."""


@pytest.mark.parametrize(
    ("place", "call", "given"),
    [
        (
            "job.evaluate",
            lambda run, data: fc.evaluate(run, data=data, tta=True),
            {"tta": True, "data_dir": "data"},
        ),
        ("job.evaluate", lambda run, data: fc.evaluate(run, data=data), {"tta": False}),
        (
            "job.train",
            lambda run, data: fc.train("fast", "new", data=data, test=False),
            {"test": False, "existing": "refuse", "data_dir": "data"},
        ),
        ("job.train", lambda run, data: fc.train("fast", "new", data=data), {"test": True}),
        (
            "shipping.ensemble.export_runs",
            lambda run, data: fc.export([run, run], "x.onnx", data=data, tta=True),
            {"int8": False, "output": Path("x.onnx"), "tta": True},
        ),
        (
            "shipping.ensemble.export_runs",
            lambda run, data: fc.export(run, data=data, int8=True),
            {"int8": True, "output": None, "tta": False},
        ),
        (
            "studies.study.run_study",
            lambda run, data: fc.study("speedrun", "new", data=data, threads=3, jobs=2),
            {2: ["--data-dir", "data", "--threads", "3"], 4: 2},
        ),
    ],
)
def test_what_is_said_reaches_what_does_it(
    run: fc.Run, few_data: Path, tmp_path, monkeypatch, place: str, call: Any, given: dict
) -> None:
    def reached(*words: Any, **named: Any) -> None:
        raise ReachedError({**dict(enumerate(words)), **named})

    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(few_data)
    monkeypatch.setattr(f"fashion_cnn.{place}", reached)
    with pytest.raises(ReachedError) as caught:
        call(run, "data")
    found = caught.value.args[0]
    for word, value in given.items():
        assert (str(found[word]) if word == "data_dir" else found[word]) == value, word


def test_resume_and_overwrite(few_data: Path, tmp_path: Path) -> None:
    begun: dict[str, Any] = {"data": few_data, "output": tmp_path / "r", "test": False}
    first = fc.train("baseline", **begun, **SETTINGS | {"epochs": 1})
    assert first.metrics.final.test is None
    with pytest.raises(UsageError, match="already holds a run"):
        fc.train("baseline", **begun, **SETTINGS)
    more = fc.train(**begun, existing="resume", epochs=2, threads=1)
    assert [row.epoch for row in more.history] == [1, 2]
    anew = fc.train("baseline", **begun, existing="overwrite", **SETTINGS | {"epochs": 1})
    assert len(anew.history) == 1


def test_what_is_trained_anew_has_the_data_that_are_named_now(
    few_data: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    split = make_split(100)
    small: dict[str, Any] = {"epochs": 1, "width": 4, "batch_size": 20, "train_images": 60}
    small["test"] = False
    fc.train("baseline", "run", data=(split.images, split.labels), **small)
    run = fc.train("baseline", "run", existing="overwrite", **small)
    assert (
        run.environment["data_sha256"]
        == fc.train("baseline", "other", data=few_data, **small).environment["data_sha256"]
    )


def test_a_record_is_reported_without_its_data(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(tmp_path / "nowhere"))
    shutil.copytree(REPOSITORY / "docs/results/baseline", tmp_path / "record")
    assert fc.report(tmp_path / "record", tmp_path / "page.html").exists()


def test_arrays_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    split = make_split(300)
    names = [f"bar {k}" for k in range(10)]
    words: dict[str, Any] = {"epochs": 2, "width": 4, "batch_size": 30, "threads": 1}
    run = fc.train("baseline", data=(split.images, split.labels), class_names=names, **words)
    assert run.path == tmp_path / "runs/baseline"
    assert run.class_names == tuple(names)
    assert run.metrics.final.test is not None
    assert run.metrics.final.test.n == 60
    assert len(run.validation()) == 24, "found again without a word"
    assert fc.evaluate(run).metrics.test_readings == 2
    assert len(list(Path("runs/data").iterdir())) == 1
    named = np.array(names)[split.labels]
    again = fc.train("baseline", "second", data=(split.images[..., None] / 255, named), **words)
    assert again.class_names == tuple(sorted(names))
    both = ((split.images, split.labels), (split.images[:50], split.labels[:50]))
    third = fc.train("baseline", "third", data=both, **words)
    assert third.metrics.final.test is not None
    assert third.metrics.final.test.n == 50
    assert len(fc.load_training(split)) == 240


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (3, UsageError, "data must be a folder"),
        ((np.zeros((4, 28, 28)), np.zeros(3)), DataError, "3 labels for 4 images"),
        ((np.zeros((4, 20, 24)), np.zeros(4)), DataError, "28x28, or squares"),
        ((np.full((4, 28, 28), -0.5), np.zeros(4)), DataError, "as they are before normalisation"),
        ("nowhere", DataError, "nowhere"),
        ((torch.ones(2, 28, 28).requires_grad_(), [0, 1]), DataError, r"Use tensor.detach\(\)"),
        ((torch.ones(2, 28, 28).bfloat16(), [0, 1]), DataError, "images .* BFloat16"),
    ],
)
def test_wrong_data_are_told(data: Any, error: type[Exception], said: str, tmp_path) -> None:
    with pytest.raises(error, match=said):
        fc.train("fast", tmp_path / "run", data=data, class_names=None)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fc.train(3), "recipe is 3"),
        (lambda: fc.train("fats"), "did you mean 'fast'"),
        (lambda: fc.train("fast", 7), "output is 7"),
        (lambda: fc.report("runs/none", "a\0.html"), "output is 'a.x00.html'; it must be a path"),
        (lambda: fc.export("runs/none", "a\0.onnx"), "output is 'a"),
        (lambda: fc.train("fast", lr=0.1), "sets 'learning_rate'"),
        (lambda: fc.train("fast", epochs="3"), "epochs is '3'"),
        (lambda: fc.train("fast", resume=True), 'in Python it is existing="resume"'),
        (lambda: fc.train("fast", no_test=True), "in Python it is test=False"),
        (lambda: fc.train("fast", data_dir="x"), "in Python it is data="),
        (lambda: fc.train("fast", "runs/a", name="b"), "name='b' means runs/b, and output is"),
        (lambda: fc.train("fast", name="../b"), "name is '../b'"),
        (lambda: fc.train("fast", name=""), "name is ''"),
        (lambda: fc.train("fast", model=nn.Linear(2, 2)), "MyNet, not MyNet()"),
        (lambda: fc.train("fast", device="gpu"), "device is 'gpu'"),
        (lambda: fc.train("fast", threads=0), "threads is 0"),
        (lambda: fc.train("fast", framework="jax"), "framework is 'jax'"),
        (lambda: fc.train("fast", existing="replace"), "existing is 'replace'"),
        (lambda: fc.evaluate("runs/none"), "runs/none holds no run"),
        (lambda: fc.evaluate(None), "run is None"),
        (lambda: fc.open_classifier("runs/none"), "holds no run"),
        (lambda: fc.open_classifier(5), "run is 5"),
        (lambda: fc.tune("fast", search={"epochs": 5}), "search has epochs=5; it must be text or"),
        (lambda: fc.load_training(5), "data must be a folder"),
        (lambda: fc.compare("runs/none"), "holds no run"),
        (lambda: fc.report(["runs/none"]), "must be a run"),
        (lambda: fc.report("runs/none", framework="keras"), "nothing that it computes"),
        (lambda: fc.export(None), "run is None"),
        (lambda: fc.export([]), "there is no run to export"),
        (lambda: fc.export({}), "must be a run"),
        (lambda: fc.study("speedrum"), "did you mean 'speedrun'"),
        (lambda: fc.study(4), "study is 4"),
        (lambda: fc.tune("fast", search="lr"), "search is 'lr'"),
        *(
            (lambda name=name: fc.tune("fast", search={"flip": "on,off"}, **{name: "x"}), said)
            for name, said in (
                ("objective", "objective is 'x'; it must be one of: accuracy, loss"),
                ("sampler", "sampler is 'x'; it must be one of: tpe, random"),
                ("pruner", "pruner is 'x'; .*: median, hyperband, none"),
            )
        ),
        (lambda: fc.predict(3), "a picture is 3"),
        (lambda: fc.predict(np.full((28, 28), 256.0)), "must be within 0 to 255"),
        (lambda: fc.predict(np.zeros((2, 20, 20))), "must be of shape"),
        (lambda: fc.predict(np.zeros((30, 28, 5), np.uint8)), "make no picture"),
        (lambda: fc.predict("x.png", model=3), "model is 3"),
    ],
)
def test_wrong_words_are_told(call: Any, said: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        call()


def test_the_run_may_be_gone_on_with_by_a_word_that_the_error_names(run: fc.Run) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        fc.train(output=run.path / "none", existing="resume")


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images.reshape(-1, 784),
        lambda images: images[:, None],
        lambda images: images[..., None],
        lambda images: images.astype(np.int64),
        lambda images: images / 255,
        lambda images: torch.from_numpy(images),
    ],
)
def test_predict_takes_images_in_any_usual_layout(change) -> None:
    images = make_split(3).images
    wanted, found = fc.predict(images), fc.predict(change(images))
    assert isinstance(wanted, list)
    assert isinstance(found, list)
    assert [str(one) for one in found] == [str(one) for one in wanted]


def test_predict_takes_what_gives_pictures_one_by_one(tmp_path: Path) -> None:
    images = make_split(3).images
    paths = [tmp_path / f"{place}.png" for place in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    wanted = [str(one) for one in fc.predict(images)]
    words = np.array([str(path) for path in paths])
    for given in (iter(paths), (path for path in paths), words):
        assert [str(one) for one in fc.predict(given)] == wanted
    assert str(fc.predict(words[0])) == wanted[0], "an item of it is text"


def test_colour_images_of_another_side_are_averaged() -> None:
    large = make_split(3).images.repeat(2, 1).repeat(2, 2)
    wanted = [str(one) for one in fc.predict(make_split(3).images)]
    assert [str(one) for one in fc.predict(large[..., None].repeat(3, 3))] == wanted


def test_28_images_are_no_single_one() -> None:
    images = make_split(28).images
    for given in (images, images[..., None]):
        found = fc.predict(given)
        assert isinstance(found, list)
        assert len(found) == 28
    for given in (images[0], images[0][..., None]):
        assert isinstance(fc.predict(given), fc.Prediction)


def test_a_run_stays_where_it_is(run: fc.Run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(run.path.parent)
    opened = fc.Run.open(run.path.name)
    history = opened.history
    assert history
    monkeypatch.chdir(tmp_path)
    assert opened.history == history
    assert opened.metrics.final.step == run.metrics.final.step


def test_predict_takes_pictures_of_every_kind(tmp_path: Path) -> None:
    pixels = np.full((60, 40, 3), 255, np.uint8)
    pixels[10:50, 10:30] = 30
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    (tmp_path / "b.png").write_bytes(b"nothing")
    wanted = fc.predict(file)
    assert isinstance(wanted, fc.Prediction)
    for same in (str(file), pixels, Image.fromarray(pixels)):
        answer = fc.predict(same)
        assert isinstance(answer, fc.Prediction)
        assert answer.to_dict() == wanted.to_dict()
    good, bad = fc.predict(tmp_path)  # type: ignore[misc]
    assert good.to_dict() == wanted.to_dict()
    assert isinstance(bad, ImageError)
    assert "b.png" in str(bad)
    with pytest.raises(ImageError, match=r"b\.png"):
        fc.predict(tmp_path / "b.png")
    both = fc.predict([file, pixels])
    assert isinstance(both, list)
    assert len(both) == 2
    images = make_split(3).images
    single = fc.predict(images[0])
    assert isinstance(single, fc.Prediction)
    many = fc.predict(images)
    assert isinstance(many, list)
    assert isinstance(many[0], fc.Prediction)
    assert many[0].probability == pytest.approx(single.probability, abs=1e-6)
    assert fc.predict(images[:0]) == []
    table = pd.DataFrame([single.to_dict()])
    assert table.label[0] == single.label
    assert str(single).startswith(single.label)


def test_a_recipe_file_may_begin_as_another(tmp_path: Path) -> None:
    from fashion_cnn.run.recipe_file import open_recipe

    (tmp_path / "mine.toml").write_text('recipe = "fast"\nepochs = 3\nclass_weights = [1, 2]\n')
    wanted = fc.named("fast").replace(epochs=3, class_weights=(1.0, 2.0))
    assert open_recipe(tmp_path / "mine.toml") == wanted
    fields = {"recipe": "fast", "epochs": 3, "class_weights": [1, 2]}
    (tmp_path / "mine.json").write_text(json.dumps(fields))
    assert open_recipe(tmp_path / "mine.json") == wanted
    (tmp_path / "whole.json").write_text(json.dumps(wanted.to_dict()))
    assert open_recipe(str(tmp_path / "whole.json")) == wanted
    for text, said in {
        "recipe = 3": "recipe is 3",
        'recipe = "fast"\nname = "x"': "leave one of them out",
        'recipe = "fast"\nlr = 1': "sets 'learning_rate'",
        "= 1": "not valid TOML",
    }.items():
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(UsageError, match=said):
            open_recipe(tmp_path / "bad.toml")


def test_a_study_can_compare_two_recipes(few_data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fashion_cnn.studies.study._wait_for", train_here)
    tables = {
        "recipe": "baseline",
        "seeds": [0],
        "measure": "validation",
        "fields": {"epochs": 1, "train_images": 200, "batch_size": 100},
        "variants": {"baseline": {"width": 4}, "fast": {"recipe": "fast", "width": 4}},
    }
    found = fc.study(tables, tmp_path / "study", data=few_data, threads=1)
    rows = pd.DataFrame(found["runs"])
    assert rows.variant.tolist() == ["baseline", "fast"]
    assert found["recipes"]["fast"]["model"] == "strided_cnn"
    assert repr(found).startswith("baseline, validation accuracy")
    assert fc.Run.open(tmp_path / "study/fast/seed-0").recipe.model == "strided_cnn"
    (tmp_path / "same.json").write_text(json.dumps(tables))
    again = fc.study(tmp_path / "same.json", tmp_path / "study", data=few_data, threads=1)
    assert again["runs"] == found["runs"], "gone on with: nothing was left"


def test_names_are_listed_and_the_package_is_typed() -> None:
    assert {"train", "predict", "tune", "study", "Run"} < set(dir(fc))
    homes = {name for names in fc._HOMES.values() for name in names}
    assert set(fc.__all__) == set(dir(fc)) == homes | {"__version__"}
    assert Path(fc.__file__).with_name("py.typed").exists()


def test_a_run_shows_what_both_checkpoints_have_on_what_they_trained_on(
    run: fc.Run, few_data: Path
) -> None:
    training = fc.divide(
        fc.load_training(few_data), train_images=300, validation=run.recipe.validation
    ).training
    for name in ("best", "final"):
        logits = fc.open_classifier(run, name).logits(training.images)
        wanted = fc.measure(logits, training.labels, run.class_names, "training")
        assert getattr(run.metrics, name).training == wanted
    final = run.metrics.final.training
    assert final is not None
    assert f"{100 * final.accuracy:.2f} % {final.loss:.3f}" in str(run)
    page = (run.path / "report.html").read_text()
    assert f"<td>{final.loss:.4f}</td>" in page


def test_a_checkpoint_that_does_not_say_how_far_it_came_is_not_evaluated(
    run: fc.Run, few_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.path, tmp_path / "altered", symlinks=True)
    newest = max((tmp_path / "altered/checkpoints").glob("step-*"))
    state = json.loads((newest / "state.json").read_text())
    del state["seconds"]
    (newest / "state.json").write_text(json.dumps(state))
    kept = ("model.safetensors", "optimizer.safetensors", "state.json")
    content = {name: (newest / name).read_bytes() for name in kept}
    (newest / "MANIFEST.json").write_bytes(checkpoint._manifest(content))
    with pytest.raises(CheckpointError, match=r"state.json lacks \['seconds'\]"):
        fc.evaluate(tmp_path / "altered", data=few_data)


def test_metrics_of_before_training_figures_are_read(run: fc.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "old")
    found = json.loads((tmp_path / "old/metrics.json").read_text())
    del found["checksum"]
    for name in ("best", "final"):
        del found[name]["training"]
    (tmp_path / "old/metrics.json").write_text(json.dumps(found))
    old = fc.Run.open(tmp_path / "old")
    assert old.metrics.final.training is None
    assert old.metrics.final.test == run.metrics.final.test
    assert str(old).count(" - ") >= 2, "nothing stands where nothing was measured"


def test_settings_that_decide_nothing_are_not_shown(run: fc.Run) -> None:
    from fashion_cnn.reporting.summary import describe_recipe, explain_recipe

    idle = {"pretrained", "input_side", "distill", "warmup", "schedule_factor", "blocks"}
    names = {name.split()[0] for name, *_ in explain_recipe(run.recipe)}
    assert not names & idle
    assert {"learning_rate", "width", "momentum", "beta2", "dropout"} < names
    said = describe_recipe(run.recipe, {"warmup": 0.5}, "recipe baseline")
    assert "distill" not in said
    assert "warmup" in said, "given, so it is told"
    taught = fc.named("fast").replace(teacher="pretrained", optimizer="sgd")
    shown = {name.split()[0] for name, *_ in explain_recipe(taught)}
    assert {"distill", "warmup", "teacher_sha256"} < shown
    assert not shown & {"beta2", "schedule_epochs"}


@pytest.mark.parametrize("module", ["data.split", "shipping.predict"])
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    """Those that take no training and no data; the others are skipped by their own words."""
    found = doctest.testmod(
        importlib.import_module(f"fashion_cnn.{module}"), extraglobs={"CLASS_NAMES": fc.CLASS_NAMES}
    )
    assert found.attempted
    assert not found.failed


def test_every_function_has_an_example() -> None:
    for name in fc._HOMES["api"][1:]:
        assert ">>> " in getattr(fc, name).__doc__, name
