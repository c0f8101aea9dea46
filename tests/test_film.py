"""A run's film: what a frame holds, how many are kept, and what of it survives."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from conftest import make_split
from fashion_cnn.data.split import divide
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import log_softmax
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.film import film_data
from fashion_cnn.run.film import Film, shown_images, some_filters
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.training.film import film_epoch
from finished import finished_run

DATA = divide(make_split(600), validation=0.5)
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(300, 10)).astype(np.float32)
FILTERS = RANDOM.normal(size=(40, 1, 5, 5)).astype(np.float32)


def score(images: np.ndarray) -> np.ndarray:
    """Logits that are a function of the image alone."""
    return images.reshape(len(images), -1)[:, :10].astype(np.float32) / 50


def frame(epoch: int, logits: np.ndarray = LOGITS) -> Film:
    record = EpochRecord(epoch, 10 * epoch, 1e-3, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0)
    made = film_epoch(DATA, record, 0, logits, score, FILTERS)
    assert made
    return made


def test_a_frame_holds_what_the_network_said() -> None:
    made = frame(3)
    assert (made.epoch.tolist(), made.step.tolist()) == ([3], [30])
    labels = DATA.validation.labels
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, LOGITS.argmax(1)), 1)
    assert (made.confusion[0] == confusion).all()
    assert np.bincount(made.labels).tolist() == [20] * 10, "as many of each class"
    for image, label, row in zip(made.images, made.labels, made.logits[0], strict=True):
        (place,) = np.flatnonzero((DATA.validation.images == image).all((1, 2)))
        assert labels[place] == label
        np.testing.assert_array_equal(row, LOGITS[place].astype(np.float16))
    np.testing.assert_array_equal(made.filters[0], FILTERS[:32, 0].astype(np.float16))
    losses = -log_softmax(score(DATA.training.images))[np.arange(300), DATA.training.labels]
    assert losses.min() <= made.training[0, 0] <= losses.max()
    assert len(made.to_bytes("")) - made.images.nbytes < 10_000


def test_an_epoch_costs_five_kilobytes() -> None:
    film = frame(1).followed_by(frame(2))
    assert len(film.to_bytes("")) - len(frame(1).to_bytes("")) < 6_300, "filters of 5x5"
    assert some_filters(None).shape == (1, 0, 1, 1)
    assert some_filters(np.ones((64, 3, 16, 16))).shape == (1, 3, 16, 16)
    assert [shown_images(classes) for classes in (2, 10, 40, 41)] == [200, 200, 50, 0]


def test_two_hundred_frames_are_kept_whichever_way_they_came() -> None:
    film = frame(1)
    for epoch in range(2, 402):
        film = film.followed_by(frame(epoch))
        assert len(film) <= 201
        assert film.epoch[-1] == epoch
    assert film.epoch.tolist() == [*range(4, 401, 4), 401]
    resumed = film.select(film.step <= 3990).followed_by(frame(400)).followed_by(frame(401))
    assert resumed.to_bytes("x") == film.to_bytes("x")
    large = frame(1, LOGITS * 1e6)
    assert np.isfinite(large.logits).all()
    many = dataclasses.replace(DATA)
    assert film_epoch(many, film_record(), 0, np.zeros((300, 41)), score, None) is None


def film_record() -> EpochRecord:
    return EpochRecord(1, 10, 1e-3, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return finished_run(tmp_path / "run")[0]


def test_a_film_is_cut_back_with_the_history(run: Run) -> None:
    assert run.film is None
    for epoch in (1, 2, 3):
        run.record_frame(frame(epoch))
    whole = run.film
    assert whole
    assert whole.epoch.tolist() == [1, 2, 3]
    run.cut_back(20, run.history[:2])
    kept = run.film
    assert kept
    assert kept.epoch.tolist() == [1, 2]
    run.record_frame(frame(3))
    again = run.film
    assert again
    assert again.to_bytes("") == whole.to_bytes("")
    run.cut_back(0, [])
    assert run.film is None
    assert not (run.path / "film.safetensors").exists()


def test_what_is_no_film_of_the_run_is_refused_and_begun_anew(run: Run) -> None:
    run.record_frame(frame(1))
    path = run.path / "film.safetensors"
    whole = path.read_bytes()
    short = dataclasses.replace(frame(1), labels=np.zeros(3, np.int64))
    for data, words in (
        (b"x", "is not a film as it was written"),
        (whole[:-9], "is not a film as it was written"),
        (short.to_bytes(whole_fingerprint(run)), "shapes that do not fit"),
        (frame(1).to_bytes("other"), "of another recipe"),
        (of_classes(9).to_bytes(whole_fingerprint(run)), "safetensors is of 9 classes, the run of"),
        (of_classes(0).to_bytes(whole_fingerprint(run)), "safetensors is of 0 classes, the run of"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=words):
            _ = run.film
        run.record_frame(frame(2))
        begun = run.film
        assert begun
        assert begun.epoch.tolist() == [2], "a training goes on"
    path.write_bytes(b"x")
    run.cut_back(30, run.history)
    assert run.film is None


def of_classes(count: int) -> Film:
    """A film whose shapes fit each other, of the first classes alone."""
    made = frame(1)
    shown = made.labels < count
    return dataclasses.replace(
        made,
        images=made.images[shown],
        labels=made.labels[shown],
        logits=np.ascontiguousarray(made.logits[:, shown, :count]),
        confusion=np.ascontiguousarray(made.confusion[:, :count, :count]),
    )


def whole_fingerprint(run: Run) -> str:
    return run.recipe.fingerprint(run.split["fingerprint"])


def test_a_run_of_another_seed_follows_other_images() -> None:
    made = film_epoch(DATA, film_record(), Recipe(seed=5).seed, LOGITS, score, FILTERS)
    assert made
    assert (made.images != frame(1).images).any()


def test_filters_that_are_not_square_say_so() -> None:
    data = film_data(frame(3))
    assert (data["count"], data["sides"]) == (32, [5, 5])
    oblong = dataclasses.replace(frame(3), filters=np.zeros((1, 4, 3, 5), np.float16))
    assert film_data(oblong)["sides"] == [3, 5]


def test_a_filter_beyond_half_precision_is_cut_off() -> None:
    """Of a rate too high by far; a film with infinities could not be read again."""
    with np.errstate(over="raise"):
        kept = some_filters(np.array([1e5, -1e9, 2.0], np.float32).reshape(3, 1, 1, 1))
    np.testing.assert_array_equal(kept.ravel(), np.array([6e4, -6e4, 2], np.float16))
