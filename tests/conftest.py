"""Small data that the tests make themselves, and the real data set."""

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before PyTorch comes: tests run beside each other, and a thread that waits must leave its core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Runs of one test are alike, however busy the others keep the cores, of which each worker has its
# share. Set, and not only where it is unset: workers have the variables of the process above them.
os.environ["OMP_NUM_THREADS"] = str(
    max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
)

import hypothesis
import numpy as np
import pytest

from fashion_cnn import job
from fashion_cnn.data.adoption import adopt
from fashion_cnn.data.fashion_mnist import CLASS_NAMES, find_data
from fashion_cnn.data.manifest import CLASSES, classes_txt
from fashion_cnn.data.split import Split, TrainingData, divide, stratified_sample
from opened import load_test, load_training
from shapes import write_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[1]

# What is drawn is the same in each run of the tests, and a busy machine is no fault.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

# No test takes the power away, and the disk is what small trainings wait for most.
os.fsync = lambda descriptor: None

LONGEST = ("keras_job", "guides", "ranks", "own_network", "own_run", "export", "keras", "notebooks")
"""Files of tests that take longest: first, so that no process ends with one of them alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; within one nothing changes."""
    first = [f"test_{name}.py" for name in LONGEST]
    assert all(Path(__file__).with_name(name).exists() for name in first)
    items.sort(key=lambda item: item.path.name not in first)


def make_split(count: int, seed: int = 0) -> Split:
    """Learnable images: class k has a bright bar at height 2k+3, under noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = random.integers(0, 120, (count, 28, 28))
    for k in range(10):
        images[labels == k, 2 * k + 3 : 2 * k + 6, 4:24] += 120
    return Split(images.astype(np.uint8), labels.astype(np.int64), CLASS_NAMES)


@pytest.fixture(scope="session")
def small_split() -> Split:
    return make_split(300)


@pytest.fixture(scope="session")
def small_data(small_split: Split) -> TrainingData:
    return divide(small_split, validation=0.2, train_images=0, seed=0)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server in a thread of this process."""
    from serving import running  # here: most tests need no server

    with running() as found:
        yield found


@pytest.fixture(scope="session")
def real_data() -> Path:
    before = os.getcwd()
    os.chdir(REPOSITORY)
    try:
        directory = find_data()
    finally:
        os.chdir(before)
    assert directory is not None, "the real data set is missing: make data"
    return directory.resolve() if directory.is_absolute() else REPOSITORY / directory


@pytest.fixture(scope="session")
def few_data(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,400 training and 600 test images of the real ones, for tests that need no more."""
    arrays = []
    for split, count in ((load_training(real_data), 2400), (load_test(real_data), 600)):
        some = split.select(stratified_sample(split.labels, count, 0, "few"))
        arrays += [some.images, some.labels.astype(np.uint8)]
    folder = write_files(tmp_path_factory.mktemp("few"), *arrays)
    (folder / CLASSES).write_bytes(classes_txt(CLASS_NAMES))
    adopt(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the environment names no data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASHION_CNN_DATA", raising=False)
    return tmp_path


@pytest.fixture
def here(elsewhere: Path, few_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the environment names a few of the images."""
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    return elsewhere


@pytest.fixture(scope="session", autouse=True)
def undrawn() -> Iterator[None]:
    """Runs get no plots, which take longer than a small training; `drawn.py` has them drawn."""
    empty = dict.fromkeys(("loss", "accuracy", "reliability", "risk"), "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fashion_cnn.reporting.plots.draw_run", lambda run, metrics: None)
        patch.setattr("fashion_cnn.reporting.report.charts", lambda run, metrics: empty)
        patch.setattr("fashion_cnn.job._commit", functools.cache(job._commit))  # it starts git
        yield


@pytest.fixture(scope="module")  # while playwright lives, asyncio.run is refused
def chromium() -> "Iterator[Browser]":
    """A headless browser: Debian's or whichever is installed, driven by playwright."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path is not None, "the pages' tests need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
