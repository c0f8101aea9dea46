import dataclasses
import json
import os
from pathlib import Path

import pytest

from conftest import REPOSITORY
from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.job import resolve
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe


def test_the_baseline_is_the_assignment() -> None:
    recipe = catalog.named("baseline")
    wanted = {
        "model": "simple_cnn",
        "epochs": 50,
        "batch_size": 64,
        "validation": 0.1,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "dropout": 0.4,
    }
    assert wanted.items() <= recipe.to_dict().items()
    assert not any([recipe.flip, recipe.translate, recipe.rotate, recipe.erase])


def test_json_round_trip() -> None:
    recipe = Recipe(epochs=3, class_weights=(1.0,) * 9 + (2.0,), flip=True, weight_decay=1)
    recipe = recipe.replace(augment_classes=(0, 6))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_recipe_from_before_a_field_was_there() -> None:
    older = {k: v for k, v in Recipe(dropout=0.1).to_dict().items() if k != "cutout"}
    assert Recipe.from_dict(older) == Recipe(dropout=0.1)
    assert Recipe.from_dict(older).fingerprint("data") == Recipe(dropout=0.1).fingerprint("data")
    assert Recipe(cutout=4).fingerprint("data") != Recipe().fingerprint("data")


def test_the_strength_of_an_augmentation_that_is_gone_decides_nothing() -> None:
    older = {**Recipe().to_dict(), "randaugment": 0, "magnitude": 5.0, "rho": 0.9}
    assert Recipe.from_dict(older) == Recipe()
    with pytest.raises(UsageError, match="a recipe has no 'randaugment'"):
        Recipe.from_dict({**older, "randaugment": 2})


@pytest.mark.parametrize("name", ["self", "obj", "changes"])
def test_no_name_is_taken_for_anything_but_a_field(name: str) -> None:
    with pytest.raises(UsageError, match=f"a recipe has no '{name}'"):
        Recipe().replace(**{name: 1})


def test_committed_recipes_open_though_fields_are_gone() -> None:
    known, strange = Recipe().to_dict(), set()
    gone = {"lookahead": 0, "start_side": 28, "mixup": 0.0, "randaugment": 0, "magnitude": 9.0}
    gone["rho"] = 0.99
    files = sorted((REPOSITORY / "docs/results").rglob("recipe.json"))
    for fields in (json.loads(file.read_text()) for file in files):
        others = [name for name in fields if name not in known and fields[name] != gone.get(name)]
        strange |= set(others)
        if others:
            with pytest.raises(UsageError, match=f"a recipe has no '{others[0]}'"):
                Recipe.from_dict(fields)
        else:
            recipe = Recipe.from_dict(fields).to_dict()
            assert recipe == {**known, **{k: v for k, v in fields.items() if k not in gone}}
    assert len(files) > 10
    assert strange == {"mixup", "sam"}, "of a trial that mixed, and of one with a prototype"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--warmup", "0.1"], "warmup is 0.1, but only the schedules one-cycle and triangle"),
        (["--schedule-epochs", "5"], "schedule_epochs is 5, but only the schedules step and"),
        (["--schedule-factor", "0.3"], "schedule_factor is 0.3, but only the schedules step"),
        (["--blocks", "3"], "blocks is 3, but only resnet, wide_resnet and"),
        (["--input-side", "64"], "input_side is 64, but only timm's"),
        (["--optimizer", "sgd", "--beta2", "0.9"], "beta2 is 0.9, but only adam, adamw"),
        (["--model", "timm:test_resnet", "--width", "8"], "width is 8, but timm's"),
    ],
)
def test_a_flag_that_decides_nothing_is_refused(
    capsys, tmp_path, words: list[str], why: str
) -> None:
    assert main(["train", "baseline", *words, "--output", str(tmp_path / "run")]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_every_field_that_may_decide_nothing_has_a_reason() -> None:
    for model in ("simple_cnn", "timm:test_resnet", "net.py:Net"):
        for optimizer in ("adam", "sgd"):
            recipe = Recipe(model=model, optimizer=optimizer)
            for name in (item.name for item in dataclasses.fields(Recipe)):
                assert recipe.applies(name) or recipe.why_no_use(name)


def test_unknown_and_missing_keys_are_named() -> None:
    with pytest.raises(UsageError, match="no 'epoch'.*did you mean 'epochs'"):
        Recipe.from_dict({**Recipe().to_dict(), "epoch": 3})
    with pytest.raises(UsageError, match="lacks 'name'"):
        Recipe.from_dict({"dropout": 0.1})
    with pytest.raises(UsageError, match="did you mean 'baseline'"):
        catalog.named("basline")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", -1),
        ("epochs", 2.5),
        ("epochs", True),
        ("batch_size", 0),
        ("seed", -1),
        ("validation", 0.0),
        ("validation", 1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("weight_decay", -1e-4),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("ema_decay", 1.0),
        ("schedule", "cosin"),
        ("optimizer", "sdg"),
        ("flip", 1),
        ("translate", 28),
        ("erase", 1.5),
        ("class_weights", (1.0, "2")),
        ("class_weights", (0.0,) * 10),
        ("model", 3),
        ("augment_classes", (0, 6)),
        ("seed", 2**53 + 1),
        ("batch_size", 2**63),
        ("width", 65_537),
        ("epochs", 30_001),
        ("learning_rate", 1e31),
        ("weight_decay", 1e31),
        ("class_weights", (-(10**4_000),)),
        ("class_weights", (10**4_000,)),
        ("init_from", "a\0"),
        ("teacher", "\ud800"),
        ("model", "a\0.py:Net"),
        ("model", "a\ud800.py:Net"),
        ("model", "timm:\0"),
    ],
)
def test_bad_values_are_named_with_what_is_allowed(field: str, value) -> None:
    with pytest.raises(UsageError, match=rf"{field}( \(--lr\))? is .*must be"):
        Recipe().replace(**{field: value})


@pytest.mark.parametrize("field", ["class_weights", "width", "dropout", "augment_classes", "model"])
def test_a_number_that_python_does_not_write_out_is_refused(field: str) -> None:
    number = 10**5_000
    value = (number,) if field in ("class_weights", "augment_classes") else number
    with pytest.raises(UsageError, match=f"{field} is too long to show .*must be"):
        Recipe().replace(**{field: value})
    with pytest.raises(UsageError, match="no recipe too long to show"):
        catalog.named(number)  # pyright: ignore[reportArgumentType]


def test_a_path_of_another_encoding_is_a_path() -> None:
    path = os.fsdecode(b"caf\xe9/w.safetensors")
    assert Recipe.from_dict(json.loads(json.dumps({"name": "x", "init_from": path}))) == Recipe(
        name="x", init_from=path
    )


@pytest.mark.parametrize("name", [5, True, ["x"], None])
def test_what_is_no_name_names_no_recipe(name) -> None:
    with pytest.raises(UsageError, match="no recipe .*there is: baseline"):
        catalog.named(name)


@pytest.mark.parametrize("classes", [(-1,), (1.0,), (True,), (3, 3)])
def test_classes_to_augment_are_classes(classes: tuple) -> None:
    with pytest.raises(UsageError, match="augment_classes is .*different whole numbers from 0 on"):
        Recipe(flip=True, augment_classes=classes)


def test_whole_numbers_stand_for_what_they_are() -> None:
    recipe = Recipe(class_weights=(1, 2), weight_decay=1)
    assert recipe == Recipe(class_weights=(1.0, 2.0), weight_decay=1.0)
    assert recipe.fingerprint("") == Recipe.from_dict(recipe.to_dict()).fingerprint("")


def test_fields_that_name_classes_fit_those_of_the_data_set() -> None:
    Recipe(class_weights=(1.0, 2.0, 3.0), flip=True, augment_classes=(0, 2)).check_classes(3)
    with pytest.raises(UsageError, match="class_weights has 2 numbers; the data set has 3 classes"):
        Recipe(class_weights=(1.0, 2.0)).check_classes(3)
    with pytest.raises(UsageError, match=r"augment_classes is \(3,\).*3 classes, 0 to 2"):
        Recipe(flip=True, augment_classes=(3,)).check_classes(3)


def test_classes_to_augment_need_an_augmentation() -> None:
    with pytest.raises(UsageError, match="nothing to apply to them.*flip, translate"):
        Recipe(cutmix=0.5, augment_classes=(6,))
    assert Recipe(erase=0.5, augment_classes=(6,)).augment_classes == (6,)


def test_every_field_says_what_it_is() -> None:
    assert all(item.metadata["help"] for item in dataclasses.fields(Recipe))


def test_every_recipe_states_its_cost_and_result() -> None:
    for name in catalog.RECIPES:
        assert catalog.named(name).name == name
        found = catalog.facts(name)
        # What is timed has other seeds than the accuracy; what the test set had a part in says so.
        more = {"balanced": ["As timed"], "best": ["Chosen"]}.get(name, [])
        wanted = ["Command", "Accuracy", *more, "Training", "Hardware", "Network", "Record"]
        assert list(found) == wanted
        assert found["Command"] == f"fashion-cnn train {name}"
        assert "%" in found["Accuracy"]
        assert "n=" in found["Accuracy"]
        assert (REPOSITORY / found["Record"]).exists()


NAMES = [
    "",
    " ",
    "x ",
    "..",
    ".x",
    "../x",
    "/etc",
    "a/b",
    "a\\b",
    "~root",
    "-x",
    "x\x1b[2J",
    "x" * 101,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_out_of_a_file_is_that_of_a_folder_below(tmp_path, monkeypatch, name: str) -> None:
    """A run goes into runs/NAME where nobody says otherwise."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="name is .* it must be 1 to 100 printable characters"):
        Recipe(name=name)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(Recipe(epochs=1).to_dict() | {"name": name}))
    with pytest.raises(UsageError, match="name is"):
        resolve(str(file), {}, None, "refuse")
    file.write_text(json.dumps(Recipe(epochs=1).to_dict() | {"name": "my own.1 ü"}))
    assert resolve(str(file), {}, None, "refuse")[1] == Path("runs/my own.1 ü")


@pytest.mark.parametrize("name", catalog.RECIPES)
def test_a_summary_is_a_sentence(name: str) -> None:
    assert catalog.description(name).split("\n\n")[0].endswith(".")
