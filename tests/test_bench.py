"""The maintainers' measurements of training in bench/, with few images."""

import json
from pathlib import Path

import pytest

import importing
import training


@pytest.fixture(autouse=True)
def record(here: Path) -> Path:
    return here / "b.json"


def test_the_epochs_are_measured(capsys, record: Path) -> None:
    training.main(["--rounds", "1", "--images", "320", "--output", str(record)])
    found = json.loads(record.read_text())
    assert set(found["seconds"]) == {"hand_written", "bare", "ours", "keras_fit", "keras_ours"}
    assert found["machine"]["keras"]["framework"] == "keras"
    out = capsys.readouterr().out
    for line in (
        "hand-written / ours",
        "Keras fit ",
        "ours in Keras ",
        "ours in Keras / Keras fit",
    ):
        assert line in out


def test_that_keras_is_missing_is_said(capsys, monkeypatch) -> None:
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    alone = training.hand_written_epoch
    monkeypatch.setattr(
        training, "_in_a_process", lambda function, *_: 1.0 if function is alone else (1.0,) * 3
    )
    training.main(["--rounds", "1", "--images", "64"])
    out, err = capsys.readouterr()
    assert "Keras on TensorFlow is not installed (requirements-keras.txt)" in err
    assert "Keras" not in out


def test_what_comes_in_is_measured_whole(record: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["importing.py", "--rounds", "1", "--output", str(record)])
    importing.main()
    found = json.loads(record.read_text())
    assert found["images"] == 3000
    assert found["commands"].keys() == {"import png", "adopt csv"}
    for reading in found["commands"].values():
        assert 0.1 < reading["median_seconds"] == reading["seconds"][0]
        assert 30 < reading["most_mib"] < 2000
    said = capsys.readouterr()
    assert json.loads(said.out[said.out.index("{") :]) == found
