"""Run the campaign; see the package."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.campaign.corruption import CUTS, FLIPS, SWAPS
from bench.campaign.datafiles import DATA, FORMS
from bench.campaign.experiment import Experiment, run_trial
from bench.campaign.folders import FOLDERS
from bench.campaign.hostile import PICTURES, REQUESTS, SLOW
from bench.campaign.load import LOAD
from bench.campaign.metrics import METRICS
from bench.campaign.mirror import MIRROR
from bench.campaign.models import MODELS
from bench.campaign.numerics import NUMERICS
from bench.campaign.openapi import OPENAPI
from bench.campaign.soak import soak
from bench.campaign.stage import prepare
from bench.campaign.trainers import CLOCK, TOGETHER
from bench.campaign.trainings import DISKS, FAULTS, KERAS_KILLS, KILLS, SIGNALS
from fashion_cnn.files import to_json, write_atomically
from fashion_cnn.process.machine import machine
from fashion_cnn.version import __version__

_MINUTES = 60.0  # of a soak
EXPERIMENTS = (
    KILLS, KERAS_KILLS, SIGNALS, FAULTS, DISKS, TOGETHER, CLOCK, NUMERICS, FLIPS, CUTS, SWAPS,
    FOLDERS, DATA, FORMS, MIRROR, MODELS, PICTURES, REQUESTS, OPENAPI, SLOW, LOAD, METRICS,
    soak(_MINUTES),
)  # fmt: skip
_WRITTEN_SECONDS = 30  # after which the record is written again


def main() -> int:
    """Returns 1 if a trial failed."""
    parser = argparse.ArgumentParser(description="The campaign of reliability.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments; all without")
    parser.add_argument("--trials", type=int, metavar="N", help="of each at most; goals without")
    parser.add_argument("--minutes", type=float, default=_MINUTES, metavar="M", help="of a soak")
    parser.add_argument("--room", type=Path, default=Path("runs/campaign"), metavar="FOLDER")
    given = parser.parse_args()
    known = {one.name: one for one in (*EXPERIMENTS, soak(given.minutes))}
    if unknown := sorted({*given.names} - known.keys()):
        parser.error(f"no experiment {unknown[0]}; there are: {', '.join(known)}")
    room = given.room.resolve()
    prepare(room / "stage")
    failed = 0
    for name in given.names or known:
        goal = min(known[name].goal, given.trials or known[name].goal)
        failed += _run(known[name], goal, room, room / "campaign.json")
    return int(failed > 0)


def _run(experiment: Experiment, goal: int, room: Path, record: Path) -> int:
    """Go on with an experiment to so many trials. Returns how many of them failed."""
    row = _read(record)["experiments"].get(experiment.name, {})
    if (row.get("version"), row.get("what")) != (__version__, experiment.what):
        row = {"trials": 0, "failures": [], "seconds": 0.0}
    row |= {"what": experiment.what, "goal": experiment.goal, "version": __version__}
    written = time.monotonic()
    for number in range(row["trials"], goal):
        began = time.monotonic()
        why = run_trial(experiment, room / "stage", room / "trial", number)
        row["seconds"] += (now := time.monotonic()) - began
        row["trials"] = number + 1
        if why:
            row["failures"].append({"trial": number, "why": why})
            print(f"{experiment.name} {number} FAILED: {why}", file=sys.stderr, flush=True)
        if why or now - written > _WRITTEN_SECONDS or number == goal - 1:
            _write(record, experiment.name, row)
            written = now
    failures, trials = len(row["failures"]), row["trials"]
    print(f"{experiment.name}: {failures} of {trials} trials failed, {row['seconds']:.0f} s")
    return failures


def _read(record: Path) -> dict[str, Any]:
    return json.loads(record.read_text()) if record.exists() else {"experiments": {}}


def _write(record: Path, name: str, row: dict[str, Any]) -> None:
    found = _read(record)
    bound = 3 / row["trials"] if not row["failures"] else None
    found["experiments"][name] = {**row, "bound": bound, "machine": machine()}
    write_atomically(record, to_json(found))


if __name__ == "__main__":
    sys.exit(main())
