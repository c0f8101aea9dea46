"""What the server says that it takes and answers, held against what it does, by schemathesis."""

import os
import re
import subprocess
import sys

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.serving import must_answer, running

_FEWEST = 400
_LEFT_OUT = (
    "positive_data_acceptance",  # a schema cannot say that bytes are of a picture
    "unsupported_method",  # PUT is answered too, as `curl -T` sends it
)


def _trial(trial: Trial) -> None:
    """Its own cases for every trial: those at the limits, and random ones by the number."""
    os.chdir(trial.room)
    with running() as port:
        words = ["run", f"http://127.0.0.1:{port}/openapi.json", "--seed", str(trial.number)]
        words += ["--max-examples", "200", "--suppress-health-check", "all", "--no-color"]
        words += ["--generation-database", "none", "--exclude-checks", ",".join(_LEFT_OUT)]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *words], capture_output=True, text=True
        )
        must_answer(port)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    found = re.search(r"^ *([\d,]+) generated", done.stdout, re.MULTILINE)
    assert found, done.stdout
    assert int(found[1].replace(",", "")) >= _FEWEST, done.stdout
    said = (trial.room / "output.txt").read_text(errors="replace")
    assert "Traceback" not in said, said[-1500:]


OPENAPI = Experiment(
    "openapi",
    "400 requests or more that schemathesis makes of the server's OpenAPI document, as it says and "
    "not: statuses, types and bodies are those documented, none from 500 on, and a good picture is "
    "answered after them",
    50,
    _trial,
    300,
)
