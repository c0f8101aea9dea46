"""What may be searched: every wrong word is told before anything is trained."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.recipes import catalog, own_network
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.tuning.space import Search, begun_from, parse_space

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "say what to search"),
        ("--search lrr=1:2", "a recipe has no 'lrr' (did you mean 'lr'?)"),
        ("--search batch-sise=1:2", "did you mean 'batch_size'"),
        ("--search lr", "'lr' gives no values to search"),
        ("--search lr=", "'lr=' gives no values to search"),
        ("--search lr=0:1", "learning_rate (--lr) is 0.0; it must be a number above 0"),
        ("--search dropout=0.1:1", "dropout is 1.0; it must be a number of at least 0 and below 1"),
        ("--search dropout=0:0.5:log", "the low end must be above 0"),
        ("--search lr=0.1:0.01", "a low end below its high end"),
        ("--search lr=0.1:0.1", "a low end below its high end"),
        ("--search lr=0.1:0.2:0.5", "the step must be above 0 and fit"),
        ("--search dropout=0:0.5:1e-300", "fit into the range, at most 1,000,000 times"),
        ("--search dropout=0:0.5:4e-7", "fit into the range, at most 1,000,000 times"),
        ("--search lr=0.1:0.2:log:3", "too many parts"),
        ("--search lr=a:b", "learning_rate: 'a' is not a number"),
        ("--search lr=0.1:inf", "'inf' is not a finite number"),
        ("--search batch_size=1.5:3", "batch_size: '1.5' is not a whole number"),
        ("--search batch_size=64", "a single one is given with --batch-size"),
        ("--search batch_size=64,64", "two or more different values"),
        ("--search flip=yes,maybe", "flip: 'yes' is not on or off"),
        ("--search schedule=cosin,step", "did you mean 'cosine'"),
        ("--search schedule=step:cosine", "schedule has no order"),
        ("--search class_weights=1,2", "class_weights is a list"),
        ("--search seed=1:5", "the best of several seeds is luck"),
        ("--search validation=0.1:0.2", "measured on the same images"),
        ("--search lr=0.1:0.2 lr=0.3:0.4", "learning_rate is searched twice"),
        ("--search lr=0.1:0.2 --lr 0.1", "both set and searched"),
        ("fast slow --search lr=0.1:0.2", "give one recipe, not 2"),
        ("fats --search lr=0.1:0.2", "did you mean 'fast'"),
        ("--search lr=0.1:0.2 --epochs 0", "epochs is 0; a search needs at least 1"),
        ("--search epochs=0:5", "epochs is 0; a search needs at least 1"),
        ("--search lr=0.1:0.2 --trials 0", "0 is not in the range"),
        ("--search lr=0.1:0.2 --sampler grid", "'grid' is not one of"),
        ("--search lr=0.1:0.2 --name a\x01b\udce9", r"(--name) is 'a\x01b\udce9'; it must be"),
        ("--search lr=0.1:0.2 --name a/b", "(--name) is 'a/b'; it must be"),
        ("--search lr=0.1:0.2 --output .x", "(--name) is '.x'; it must be"),
    ],
)
def test_a_wrong_search_is_told_before_anything_is_trained(capsys, words, message) -> None:
    assert main(["tune", *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 5}, "name is 5; it must be a string"),
        ({"name": ""}, r"the search's name \(--name\) is ''"),
        ({"trials": 0}, "trials is 0; it must be a whole number of at least 1"),
        ({"trials": "3"}, "trials is '3'; it must be a whole number of at least 1"),
    ],
)
def test_a_search_of_other_types_is_told(change, words) -> None:
    recipe = catalog.named("fast")
    space = parse_space(["flip=on,off"], recipe, {})
    with pytest.raises(UsageError, match=words):
        Search(**{"name": "s", "recipe": recipe, "given": {}, "space": space, **change})


def test_a_space_is_what_was_typed() -> None:
    words = ["lr=1e-4:0.1:log", "--batch-size=64:256:64", "blocks=1:3", "model=resnet,wide_resnet"]
    space = parse_space([*words, "flip=off,on"], catalog.named("fast"), {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        values = {dimension.field: dimension.suggest(trial) for dimension in space}
        catalog.named("fast").replace(**values)
        assert 1e-4 <= values["learning_rate"] <= 0.1
        assert values["batch_size"] in (64, 128, 192, 256)
        study.tell(trial, state=TrialState.FAIL)
    assert parse_space([str(dimension) for dimension in space], catalog.named("fast"), {}) == space


@pytest.mark.parametrize(
    ("word", "distribution"),
    [
        ("lr=1e-4:0.1", FloatDistribution(1e-4, 0.1)),
        ("lr=1e-4:0.1:log", FloatDistribution(1e-4, 0.1, log=True)),
        ("dropout=0:0.5:0.125", FloatDistribution(0.0, 0.5, step=0.125)),
        ("dropout=0:0.5:5e-7", FloatDistribution(0.0, 0.5, step=5e-7)),
        ("batch-size=32:512", IntDistribution(32, 512)),
        ("batch-size=32:512:log", IntDistribution(32, 512, log=True)),
        ("batch-size=32:512:32", IntDistribution(32, 512, step=32)),
        ("flip=on,off", CategoricalDistribution((True, False))),
    ],
)
def test_a_range_is_drawn_from_as_it_is_typed(word: str, distribution) -> None:
    (dimension,) = parse_space([word], catalog.named("fast"), {})
    trial = optuna.create_study().ask()
    dimension.suggest(trial)
    assert trial.distributions == {dimension.field: distribution}


def test_names_with_a_colon_are_choices() -> None:
    recipe = catalog.named("baseline")
    (models,) = parse_space(["model=timm:resnet18,simple_cnn"], recipe, {})
    assert models.choices == ("timm:resnet18", "simple_cnn")
    (starts,) = parse_space(["init-from=a:b,c"], recipe, {})
    assert starts.choices == ("a:b", "c")


def test_what_trials_begin_as_may_be_in_a_file(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text('recipe = "fast"\nbatch_size = 100\nflip = true\n')
    recipe, given = begun_from(str(tmp_path / "mine.toml"), {"epochs": 1})
    assert (recipe.name, recipe.batch_size, recipe.epochs) == ("fast", 100, 1)
    assert given == {"batch_size": 100, "flip": True, "epochs": 1}
    assert begun_from("fast", {"epochs": 1}) == (
        recipe.replace(batch_size=250, flip=False),
        {"epochs": 1},
    )
    with pytest.raises(UsageError, match="no recipe"):
        begun_from("fats", {})


def test_a_searched_field_must_be_able_to_decide_something() -> None:
    begun = Recipe()  # its learning rate is constant
    with pytest.raises(UsageError, match="warmup is searched, but only the schedules one-cycle"):
        parse_space(["warmup=0.1:0.5"], begun, {})
    both = parse_space(["warmup=0.1:0.5", "schedule=constant,triangle"], begun, {})
    search = Search(name="s", recipe=begun, given={}, space=both)
    words = search.command({"warmup": 0.3, "schedule": "triangle"})
    assert words[2:] == ["--warmup", "0.3", "--schedule", "triangle"]
    words = search.command({"warmup": 0.3, "schedule": "constant"})
    assert words[2:] == ["--schedule", "constant"], "the training would refuse the other"


def test_a_setting_beside_a_search_must_be_able_to_decide_something_too() -> None:
    recipe, given = begun_from("fast", {"beta2": 0.5, "optimizer": "sgd"})
    with pytest.raises(UsageError, match="beta2 is 0.5, but only adam"):
        parse_space(["lr=0.1,0.2"], recipe, given)
    assert parse_space(["optimizer=adamw,sgd"], *begun_from("fast", {"beta2": 0.5}))


def test_code_of_a_recipes_file_is_run_when_it_is_named_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(own_network, "_ALLOWED", {})
    code = tmp_path / "net.py"
    code.write_text("from torch import nn\nnet = nn.Identity\n")
    fields = own_network._read(f"{code}:net").fields
    (tmp_path / "unhashed.toml").write_text(f'recipe = "fast"\nmodel = "{code}:net"\n')
    with pytest.raises(UsageError, match="building it runs their code"):
        begun_from(str(tmp_path / "unhashed.toml"), {})
    (tmp_path / "theirs.json").write_text(json.dumps({**Recipe().to_dict(), **fields}))
    with pytest.raises(UsageError, match="building it runs their code"):
        begun_from(str(tmp_path / "theirs.json"), {})
    named = own_network.given(f"{code}:net")
    assert begun_from(str(tmp_path / "theirs.json"), named)[0].model == f"{code}:net"
