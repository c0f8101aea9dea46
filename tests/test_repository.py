"""What hubs, indexes and services read of the repository."""

import tomllib

import huggingface_hub
import pytest
import yaml

from conftest import REPOSITORY
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import MODELS
from fashion_cnn.version import __version__
from pretrained import head

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_changelog_begins_with_this_version() -> None:
    versions = [
        line.split()[1]
        for line in (REPOSITORY / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    ]
    assert versions[0] == __version__
    assert versions == sorted(versions, key=lambda one: [*map(int, one.split("."))], reverse=True)


def test_what_is_new_stands_in_the_newest_version() -> None:
    """Of a version that is out nothing is changed: merges like to put new lines at the end."""
    released = (REPOSITORY / "CHANGELOG.md").read_text().partition("\n## 0.1.0")[2]
    assert len(released.splitlines()) == 44


def test_the_service_calls_the_gate() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (REPOSITORY / ".ci/run").stat().st_mode & 0o100


@pytest.mark.parametrize("file", sorted(REPOSITORY.glob(".github/ISSUE_TEMPLATE/bug.yml")))
def test_an_issue_asks_for_the_doctor(file) -> None:
    form = yaml.safe_load(file.read_text())
    assert {"name", "description", "body"} <= form.keys()
    wanted = {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
    assert wanted == {"what", "doctor"}


@pytest.mark.parametrize("name", ["balanced", "photo"])
def test_a_hub_reads_the_cards(name: str) -> None:
    card = huggingface_hub.ModelCard.load(MODELS / f"{name}.md")
    measured = OnnxClassifier((MODELS / f"{name}.onnx").read_bytes()).facts["measured"]
    assert (MODELS / f"{name}.md").read_text().startswith(head(name, measured))
    (result,) = card.data.eval_results
    assert result.metric_value == round(measured["accuracy"], 4)
    assert result.dataset_split == measured["split"] == "test"
    assert card.data.license == "mit"
