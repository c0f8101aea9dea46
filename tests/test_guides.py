"""The commands on the pages of the site do what the pages say: run in order, on few images.

Those that need more than a small training are run elsewhere: own data in test_own_run.py, timm in
test_timm.py, searches in test_search.py; `serve` does not end, and
`--minutes` would take them.
"""

import shutil
from glob import glob
from pathlib import Path

import pytest

from fashion_cnn.cli.main import main
from fashion_cnn.run.folder import Run
from pages import PAGES, REPOSITORY, blocks, commands
from shapes import draw_photos

TINY = ["--train-images", "200", "--validation", "0.1", "--epochs", "1", "--threads", "1"]
TINY += ["--batch-size", "100"]
FAST = ["train", "fast"]
BEFORE = {
    "docs/first-model.md": [],
    "docs/recipes.md": [],
    "docs/test-set.md": [],
    "docs/run-folder.md": [],
    "docs/what-it-sees.md": [],
    "docs/resume.md": [[*FAST, "--name", "shifted"]],
    "docs/understand.md": [FAST],
    "docs/calibrate.md": [],
    "docs/own-network.md": [],
    "docs/export.md": [FAST],
    "docs/compare.md": [
        ["train", "baseline", "--width", "4"],
        FAST,
        *([*FAST, *more, "--seed", seed, "--output", f"runs/{name}/seed-{seed}"]
          for seed in "01" for name, more in (("a", []), ("b", ["--flip"]))),
    ],
}  # fmt: skip
"""By page, what must have been done before."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch, few_data: Path, without_plots) -> Path:
    """A working folder with the pictures of which the pages speak."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    shutil.copytree(REPOSITORY / "examples", "examples")
    draw_photos(tmp_path / "photos", 1)
    return tmp_path


def call(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command; a training with few images, what follows a `>` into a file."""
    words, into = (words[:-2], words[-1]) if ">" in words else (words, None)
    words = [path for word in words for path in (sorted(glob(word)) or [word])]  # as a shell does
    words += {"train": TINY, "benchmark": ["--rounds", "1"]}.get(words[0], [])
    capsys.readouterr()
    assert main(words) == 0, words
    if into:
        Path(into).write_text(capsys.readouterr().out)


@pytest.mark.parametrize("page", BEFORE)
def test_the_commands_of_a_page_work(folder: Path, page: str, capsys) -> None:
    for words in BEFORE[page]:
        call(words, capsys)
    for number, text in enumerate(blocks(page, "toml")):
        name = text.partition("\n")[0].removeprefix("# ")
        few = "\n[fields]\nepochs = 1\ntrain_images = 200\nbatch_size = 100\n[variants"
        text = text.replace("[0, 1, 2]", "[0]").replace("\n[variants", few, 1)
        Path(name if name.endswith(".toml") else f"{number}.toml").write_text(text)
    for words in commands(page):
        if words[0] != "serve" and "--minutes" not in words:
            call(words, capsys)


def test_the_first_model_is_what_the_page_says(folder: Path, capsys) -> None:
    predict, *_ = commands("docs/first-model.md")
    call(predict, capsys)
    said = capsys.readouterr().out
    assert said in blocks("docs/first-model.md", "text")


def test_the_table_of_a_run_folder_has_every_file(folder: Path, capsys) -> None:
    call([*FAST, "--name", "run"], capsys)
    call(["export", "runs/run"], capsys)
    assert Run("runs/run").exists()
    for path in Path("runs/run").iterdir():
        name = path.name + "/" * path.is_dir()
        if path.suffix != ".svg" and not name.startswith("."):
            assert f"`{name}`" in PAGES["docs/run-folder.md"], name
