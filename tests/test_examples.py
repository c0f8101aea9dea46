import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_api_example_runs(tmp_path, real_data) -> None:
    script = REPOSITORY / "examples/train_and_predict.py"
    for _ in range(2):  # trains, then finds the run
        done = subprocess.run(
            [sys.executable, "-W", "error", script, tmp_path / "run"],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
        )
        assert done.returncode == 0, done.stderr
        assert " taken for " in done.stdout
    assert "finished" not in done.stdout
