"""Long campaigns beside the kills of test_kill.py: signals at any moment, disks of any size."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fashion_cnn.run.folder import Run
from test_kill import RECIPE, finish, outcome, start

pytestmark = pytest.mark.campaign
SEED = int(os.environ.get("SEED", str(time.time_ns())))


@pytest.fixture(scope="module")
def straight(few_data: Path, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("campaign") / "straight"
    finish(start(few_data, run, *RECIPE))
    return run


def resume(data: Path, run: Path) -> None:
    finish(start(data, run, *(["--resume"] if (run / "recipe.json").exists() else RECIPE)))


def test_signals_at_any_moment(few_data: Path, straight: Path, tmp_path: Path) -> None:
    """N signals, from start-up to the report; every sixth is followed by a second one."""
    draw, seen = random.Random(SEED), {}
    for number in range(int(os.environ["SIGNALS"])):
        run, kind = tmp_path / "run", draw.choice((signal.SIGINT, signal.SIGTERM))
        shutil.rmtree(run, ignore_errors=True)
        process = start(few_data, run, *RECIPE)
        while process.poll() is None and not (run / ".lock").exists():
            time.sleep(0.01)
        time.sleep(draw.uniform(0.0, 4.0))
        process.send_signal(kind)
        twice = number % 6 == 5
        if twice:
            time.sleep(draw.uniform(0.0, 0.3))
            process.send_signal(kind)
        _, said = process.communicate(timeout=60)
        where = f"run {number}, seed {SEED}: {said}"
        assert process.returncode in (0, 128 + kind), where
        assert "Traceback" not in said, where
        begun = (run / "recipe.json").exists()
        state = "finished" if process.returncode == 0 else "twice" if twice else "stopped"
        seen[state] = seen.get(state, 0) + 1
        if begun and state != "twice":
            metrics = json.loads((run / "metrics.json").read_text())
            assert metrics["status"] in ("finished", "interrupted"), where
            found = Run(run).checkpoints.load("final")
            assert metrics["final"]["step"] == found.state["step"], where
            assert (run / "confusion_matrix.png").exists(), where
        resume(few_data, run)
        assert outcome(run) == outcome(straight), where
    print(f"\n{seen} (seed {SEED}): results and exit codes right, every resumed run the same bits")


def test_disks_of_any_size(few_data: Path, straight: Path, tmp_path: Path) -> None:
    """Memory disks of N sizes: code 7, a usable checkpoint, and with room the same bits."""
    needed = sum(path.stat().st_size for path in straight.rglob("*") if not path.is_symlink())
    count, codes = int(os.environ["DISKS"]), []
    disk = tmp_path / "disk"
    disk.mkdir()
    for number in range(count):
        size = max(4096, round(1.3 * needed * (number + 1) / count))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        subprocess.run(mount, check=True)
        try:
            process = start(few_data, disk / "run", *RECIPE)
            _, said = process.communicate(timeout=120)
            where = f"{size} bytes: {said}"
            codes.append(process.returncode)
            assert process.returncode in (0, 7), where
            assert "Traceback" not in said, where
            if (disk / "run/recipe.json").exists():
                Run(disk / "run").checkpoints.newest()
            subprocess.run(["mount", "-o", "remount,size=1G", str(disk)], check=True)
            resume(few_data, disk / "run")
            assert outcome(disk / "run") == outcome(straight), where
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    assert {0, 7} <= set(codes)
    print(f"\n{codes.count(7)} of {count} disks were full: code 7, nothing lost, the same bits")
