"""What is said of other tools: when they reached a goal, lines that one writes, their scores."""

from pathlib import Path

import numpy as np

import peers

ANSWERS = """
from measuring import answered, epoch_ended
epoch_ended(0.5)
epoch_ended(0.75)
answered([0, 1, 2, 2])
"""


def test_the_goal_is_reached_at_the_end_of_the_first_epoch_that_has_it() -> None:
    epochs = [[10.0, 0.90], [20.0, 0.9164], [30.0, 0.91], [40.0, 0.95]]
    assert peers.reached(epochs, 0.9164) == 20.0
    assert peers.reached(epochs, 0.96) is None


def test_lines_are_those_that_a_person_writes(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(
        '"""Head.\n\nMore.\n"""\n\nimport tool\nimport operators  # measuring\n\n# Why.\n'
        "model = tool.train(\n    epochs=3,\n)\nanswered(model)\n"
    )
    assert peers.lines(script) == 4
    script.write_text('"""Head."""\n\nCOMMAND = "tool train"\nfor row in rows:\n    pass\n')
    assert peers.lines(script) == 1


def test_a_peer_is_scored_by_its_answers(tmp_path: Path, monkeypatch) -> None:
    scripts = tmp_path / "peers"
    scripts.mkdir()
    (scripts / "measuring.py").write_bytes((peers.PEERS / "measuring.py").read_bytes())
    (scripts / "tool.py").write_text(f'"""Head."""\n{ANSWERS}')
    monkeypatch.setattr(peers, "PEERS", scripts)
    monkeypatch.setattr(peers, "EPOCHS", {"tool": 1})
    found = peers.run_peer("tool", peers.sys.executable, tmp_path / "work", np.array([0, 1, 2, 3]))
    assert found["test_accuracy"] == 0.75
    assert [accuracy for _, accuracy in found["validation"]] == [0.5], "later readings are no epoch"
    assert 0 < found["validation"][0][0] <= found["command_seconds"] + 0.05, "it is rounded"


def test_every_peer_has_its_script_and_a_name_in_the_picture() -> None:
    import front

    scripts = {script.stem for script in peers.PEERS.glob("*_*.py")}
    assert scripts == set(peers.EPOCHS) == set(front.PEERS)
