"""The records are of the recipes as they stand; the pages' links, commands and flags exist.

The figures themselves are held by tests/test_records.py.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.cli.main import _group, main
from fashion_cnn.cli.train import train
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.studies.study import Study, open_study
from pages import PAGES, commands
from serving import running

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("recipe", ["baseline", "best"])
def test_a_run_on_record_is_of_the_recipe_as_it_stands(recipe: str) -> None:
    record = Run(REPOSITORY / "docs/results" / recipe)
    assert record.recipe.replace(name=recipe) == catalog.named(recipe)


@pytest.mark.parametrize("name", ["speedrun", "sprint", "balanced"])
def test_a_study_on_record_is_of_the_recipe_as_it_stands(name: str) -> None:
    study = json.loads((REPOSITORY / f"docs/results/{name}/study.json").read_text())
    assert study["measure"] == "test"
    (variant,) = study["variants"]
    recipe = catalog.named(study["recipe"]).replace(**study["variants"][variant])
    assert Recipe.from_dict(study["recipes"][variant]) == recipe, "the record is old"
    runs = study["runs"]
    assert [row["seed"] for row in runs] == list(range(len(runs))), "consecutive seeds, all of them"
    assert not any(row["resumed"] for row in runs)


@pytest.mark.parametrize("name", [name for name in catalog.RECIPES if name != "baseline"])
def test_what_a_network_costs_is_what_its_recipe_says(name: str) -> None:
    # not of `baseline`: it leaves out products that its docstring, like the assignment, counts
    model = build_model(catalog.named(name), 10).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 28, 28, dtype=torch.uint8))
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (
        f"Network: {parameters:,} parameters, {counter.get_total_flops() / 1e6:.1f} MFLOP an image"
    ) in catalog.description(name)


def assert_same_recipes(record: dict[str, Any], study: Study) -> None:
    """A field that was not there when the record was made has its default."""
    assert record["recipes"].keys() == study.variants.keys()
    for name, fields in record["recipes"].items():
        found, wanted = {**fields, "init_sha256": ""}, study.description_of(name)
        assert found.pop("framework", None) == wanted.pop("framework", None)
        assert Recipe.from_dict(found) == Recipe.from_dict(wanted)


@pytest.mark.parametrize("name", ["findings", "distilled", "transfer"])
def test_a_study_on_record_is_the_one_in_the_package(name: str) -> None:
    record = json.loads((REPOSITORY / f"docs/results/{name}/study.json").read_text())
    study = open_study(name)
    assert_same_recipes(record, study)
    assert len(record["runs"]) == len(study.variants) * len(study.seeds)


def test_every_link_leads_somewhere() -> None:
    for page in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(PAGES["README.md"].split()) <= 700


def test_every_record_is_on_their_page() -> None:
    folder = REPOSITORY / "docs/results"
    linked = set(re.findall(r"\]\(([^)/]+)\)", (folder / "README.md").read_text()))
    assert {path.name for path in folder.iterdir()} - {"README.md"} == linked


def every_command(group: click.Group) -> Iterator[list[str]]:
    for name, command in group.commands.items():
        yield from (
            ([name, *words] for words in every_command(command))
            if isinstance(command, click.Group)
            else [[name]]
        )


def words_of_make(text: str) -> set[str]:
    return set(re.findall(r"(?:^|`|\|)make (?:[A-Z]+=\S+ )?([a-z-]+)", text, re.MULTILINE))


def test_every_target_on_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {page: words_of_make(text) for page, text in PAGES.items()}
    assert "train" in named["docs/assignment.md"]
    assert {page: words - targets for page, words in named.items() if words - targets} == {}


FLAGS_OF_OTHERS = {
    *("--data-binary",),  # curl
    *("--install",),  # wsl
    *("--no-deps",),  # pip
    *("--logdir",),  # tensorboard
    *("--room",),  # make campaign
    *("--standalone", "--nproc-per-node", "--nnodes", "--max-restarts"),  # torchrun
    *("--rdzv-backend", "--rdzv-id", "--rdzv-endpoint"),
    *("--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task", "--time", "--signal"),
}


def test_every_flag_on_the_pages_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for words in every_command(_group):
        assert main([*words, "--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z0-9-]+", capsys.readouterr().out)) | FLAGS_OF_OTHERS
    named = {page: set(re.findall(r"--[a-z][a-z0-9-]+", text)) for page, text in PAGES.items()}
    assert {page: flags - known for page, flags in named.items() if flags - known} == {}


@pytest.mark.parametrize(
    ("page", "words"), [(page, words) for page in PAGES for words in commands(page)]
)
def test_every_command_on_the_pages_is_one(page: str, words: list[str]) -> None:
    words = words[: words.index(">")] if ">" in words else words
    command: click.Command = _group
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None, name
        command = found
    command.make_context(command.name, list(words))


def test_every_extra_on_the_pages_exists() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    for page, text in PAGES.items():
        for named in re.findall(r"install '\./?(?:fashion-cnn)?\[([\w,]+)\]'", text):
            assert set(named.split(",")) <= extras, page
    listed = set(re.findall(r"^\| `'\.\[(\w+)\]'` \|", PAGES["docs/install.md"], re.MULTILINE))
    assert listed == extras - {"dev"}


def test_every_script_on_the_pages_exists() -> None:
    for page, text in PAGES.items():
        for script in re.findall(r"(?:python3?|uv run) ((?:bench/|examples/)?\w+\.py)", text):
            assert (REPOSITORY / script).exists() or script == "my_net.py", (page, script)


def test_every_address_of_the_server_is_on_its_page() -> None:
    with running() as port, urlopen(f"http://127.0.0.1:{port}/openapi.json") as answer:
        described = json.load(answer)
    page = PAGES["docs/http.md"]
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}" in page
    (answer,) = (
        one for name, one in described["components"]["schemas"].items() if name == "Answer"
    )
    assert all(f"`{field}`" in page for field in answer["properties"])
    for status in described["paths"]["/v1/predict"]["post"]["responses"]:
        assert status == "200" or f"`{status}`" in page


def test_the_examples_for_clusters_are_commands_of_ours() -> None:
    text = (REPOSITORY / "docs/scaling.md").read_text()
    script = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    words = script.replace("\\\n", " ").split("-m fashion_cnn ")[1].split()
    listed = re.findall(r"command: \[(.*)\]", text)[0].replace('"', "").split(", ")
    assert listed[:3] == ["torchrun", "-m", "fashion_cnn"]
    for command in (words, listed[3:]):
        context = train.make_context("train", command[1:])
        assert context.params["recipe"] == "balanced"
