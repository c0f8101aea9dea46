"""Does a test fail when one thing in a module is altered? Mutation testing, by mutmut.

    python bench/mutants.py [--sample N] [NAME ...]

Each module of `MODULES` is altered in a copy of the sources under mutants/, one thing at a time,
and the tests named beside it run against each altered copy. mutmut makes the mutants, of what is
inside functions (of more than N, N are drawn by a fixed seed); they are run here, in forks of one
process that has collected the tests, because mutmut's own runs start pytest anew for each. The
numbers outside functions are altered here too. Writes docs/results/mutation/mutation.json; what was
found of modules that are not named is kept.
"""

import argparse
import ast
import difflib
import gc
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

MODULES = {
    "metrics": ("src/fashion_cnn/evaluation/metrics.py", "tests/test_metrics.py"),
    "calibration": ("src/fashion_cnn/evaluation/calibration.py", "tests/test_calibration.py"),
    "compare": ("src/fashion_cnn/evaluation/compare.py", "tests/test_compare.py"),
    "checkpoint": ("src/fashion_cnn/run/checkpoint.py", "tests/test_checkpoint.py"),
    "idx": ("src/fashion_cnn/data/idx.py", "tests/test_idx.py"),
    "split": ("src/fashion_cnn/data/split.py", "tests/test_split.py"),
    "schedule": ("src/fashion_cnn/training/schedule.py", "tests/test_schedule.py"),
    "optimisers-pytorch": ("src/fashion_cnn/on_torch/optim.py", "tests/test_optim.py"),
    "optimisers-keras": ("src/fashion_cnn/on_keras/optim.py", "tests/test_keras_optim.py"),
    "server-limits": ("src/fashion_cnn/shipping/guard.py", "tests/test_guard.py"),
    "decoder-limits": ("src/fashion_cnn/data/decoding.py", "tests/test_decoding_limits.py"),
    "decoder-child": ("src/fashion_cnn/data/decoding_child.py", "tests/test_decoding_limits.py"),
    "export-gate": ("src/fashion_cnn/shipping/export.py", "tests/test_export_gate.py"),
}
"""By name: the module, and the quick tests that must notice."""

TOO_SLOW = (
    "test_metrics.py::test_against_scikit_learn",
    "test_calibration.py::test_the_temperature_interval_holds_the_truth_19_times_in_20",
    "test_calibration.py::test_sets_cover_as_often_as_promised_on_average_and_scatter_as_stated",
    "test_calibration.py::test_a_network_that_learned_smoothed_labels_is_calibrated_again",
    "test_calibration.py::test_rejecting_keeps_the_error_rate_on_new_images",
    "test_calibration.py::test_temperature_against_scikit_learn_and_the_truth",
    "test_compare.py::test_two_runs",
    "test_compare.py::test_seeds_of_one_recipe_are_a_group",
    "test_compare.py::test_the_command",
    "test_compare.py::test_the_paired_interval_covers_and_is_no_wider_than_it_must_be",
    "test_checkpoint.py::test_every_flipped_bit_and_truncation_is_detected",
    "test_checkpoint.py::test_a_file_size_limit_is_a_full_disk",
    "test_idx.py::test_mutated_files_never_crash_or_misread",
    "test_idx.py::test_arbitrary_bytes_give_an_array_that_holds_them_or_a_data_error",
    "test_idx.py::test_round_trip",
    "test_split.py::test_the_assignments_split",
    "test_schedule.py::test_step",
)
"""To be run for each of hundreds of mutants; all the others of the files above run."""

REPOSITORY = Path(__file__).resolve().parents[1]
ROOM = REPOSITORY / "mutants"
RECORD = REPOSITORY / "docs/results/mutation/mutation.json"
LEAST_SECONDS = 20
"""What a mutant is given, or ten times what the tests take unaltered, before it is ended."""

_POLL = 0.005
_KILLED, _SURVIVED = 1, 0


def main(names: list[str], sample: int) -> None:
    """Try the modules named, or all, and write the record.

    Args: names: of `MODULES`; sample: mutants of a module at most, numbers outside functions apart.
    """
    rows = json.loads(RECORD.read_text())["modules"] if RECORD.exists() else {}
    for name in names or MODULES:
        began = time.monotonic()
        copy = make_copy(name)
        row = copy / "row.json"
        words = [sys.executable, __file__, f"--sample={sample}", f"--in={copy}", name]
        subprocess.run(words, cwd=copy, check=True)
        rows[name] = json.loads(row.read_text())
        counts = {k: v for k, v in rows[name].items() if k in COUNTS}
        print(f"{name}: {counts}, {time.monotonic() - began:.0f} s", flush=True)
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        versions = {name: version(name) for name in ("mutmut", "pytest")}
        found = record({k: rows[k] for k in MODULES if k in rows}, **versions)
        RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


COUNTS = ("mutants", "killed", "timeouts", "survived")


def make_copy(name: str) -> Path:
    """A copy of sources, tests and settings."""
    copy = ROOM / name
    shutil.rmtree(copy, ignore_errors=True)
    for part in ("src", "tests"):
        shutil.copytree(REPOSITORY / part, copy / part)
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    return copy


def try_module(name: str, copy: Path, sample: int) -> None:
    """Try mutants of a module, `sample` at most, in this process, which is in `copy`."""
    from mutmut.mutation.file_mutation import (  # pyright: ignore[reportMissingImports]
        mutate_file_contents,
    )

    module, tests = MODULES[name]
    whole = (copy / module).read_text()
    mutated = mutate_file_contents(module, whole)
    (copy / module).write_text(mutated.code)
    sys.path.insert(0, str(copy / "src"))
    dotted = ".".join(Path(module).with_suffix("").parts[1:])
    forks = Forks([f"{dotted}.{mutant}" for mutant in drawn(mutated.mutant_names, sample)])
    pytest.main(["-q", *options(), tests], plugins=[forks])
    if list(forks.found) != forks.mutants:
        raise SystemExit(f"{name}: {tests} does not pass without any mutant")
    (copy / module).write_text(whole)
    constants = try_constants(copy, module, tests)
    count = Counter([*forks.found.values(), *constants.values()])
    survivors = {
        key.rpartition(".")[2]: difference(mutated, key.rpartition(".")[2])
        for key, outcome in forks.found.items()
        if outcome == "survived"
    }
    survivors |= {what: what for what, outcome in constants.items() if outcome == "survived"}
    row = {"module": module, "tests": tests, "mutants": count.total()}
    row["of"] = len(mutated.mutant_names) + len(constants)
    row |= {what: count[what] for what in COUNTS[1:]}
    (copy / "row.json").write_text(json.dumps({**row, "survivors": survivors}))


def drawn(mutants: Sequence[str], sample: int) -> list[str]:
    """So many of them in their order, always the same; all where there are no more."""
    if len(mutants) <= sample:
        return [*mutants]
    return [mutants[i] for i in sorted(random.Random(0).sample(range(len(mutants)), sample))]


def options() -> list[str]:
    """Without plugins that only cost time here, and without what is slow."""
    off = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "unraisableexception")]
    return [*off, *(f"--deselect=tests/{test}" for test in TOO_SLOW)]


class Forks:
    """A pytest plugin: instead of running the tests once it runs them for every mutant."""

    def __init__(self, mutants: list[str]) -> None:
        """Args: mutants: as mutmut names them."""
        self.mutants = mutants
        self.found: dict[str, str] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests unaltered, then for each mutant, a few mutants at a time."""
        gc.freeze()  # or each collection in a fork would copy what it looks at
        began = time.monotonic()
        if self._wait(self._fork("", session.items), 10 * LEAST_SECONDS) != "survived":
            self.found["unaltered"] = "failed"
            return True
        seconds = max(LEAST_SECONDS, 10 * (time.monotonic() - began))
        for mutant in self.mutants:
            self.found[mutant] = self._wait(self._fork(mutant, session.items), seconds)
        return True

    def _fork(self, mutant: str, items: list[pytest.Item]) -> int:
        if child := os.fork():
            return child
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["MUTANT_UNDER_TEST"] = mutant
        runner = importlib.import_module("_pytest.runner")
        for item, following in zip(items, [*items[1:], None], strict=True):
            reports = runner.runtestprotocol(item, log=False, nextitem=following)
            if any(report.failed for report in reports):
                os._exit(_KILLED)
        os._exit(_SURVIVED)

    def _wait(self, child: int, seconds: float) -> str:
        """What became of it; time in which this process is stopped does not count."""
        for _ in range(int(seconds / _POLL)):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return "survived" if status == _SURVIVED else "killed"
            time.sleep(_POLL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "timeouts"


def try_constants(copy: Path, module: str, tests: str) -> dict[str, str]:
    """Alter each number that stands outside functions, and note whether a test failed."""
    path, found = copy / module, {}
    whole = path.read_text()
    command = [sys.executable, "-m", "pytest", "-xq", *options(), tests]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    for what, altered in altered_constants(whole):
        path.write_text(altered)
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True)
        found[what] = "killed" if done.returncode else "survived"
    path.write_text(whole)
    return found


def altered_constants(text: str) -> Iterator[tuple[str, str]]:
    """Name each number outside functions, with the module's text where it is one more."""
    lines = text.splitlines(keepends=True)
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        for node in ast.walk(statement):
            if not isinstance(node, ast.Constant):
                continue
            value = node.value
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            line = lines[node.lineno - 1].encode()
            before, after = line[: node.col_offset].decode(), line[node.end_col_offset :].decode()
            changed = f"{before}{value + 1!r}{after}"
            rest = lines[: node.lineno - 1], lines[node.lineno :]
            what = f"line {node.lineno}: {line.decode().strip()} -> {changed.strip()}"
            yield what, "".join([*rest[0], changed, *rest[1]])


def difference(mutated: Any, mutant: str) -> str:
    """The lines that a mutant takes away and puts in."""
    lines = mutated.code.splitlines()

    def body(function: str) -> list[str]:
        span = mutated.line_span_by_function_name[function]
        return [line.strip() for line in lines[span.start - 1 : span.end] if function not in line]

    whole = body(re.sub(r"__mutmut_\d+$", "__mutmut_orig", mutant))
    changes = difflib.unified_diff(whole, body(mutant), lineterm="", n=0)
    return " ".join(f"{line[0]} {line[1:]}" for line in list(changes)[2:] if line[0] in "+-")


def record(rows: dict[str, dict[str, Any]], **versions: str) -> dict[str, Any]:
    """What `mutation.json` holds."""
    from fashion_cnn.process.machine import cpu_name, machine

    total = {what: sum(row[what] for row in rows.values()) for what in COUNTS}
    return {
        "command": "make mutants",
        "machine": {"processor": cpu_name(), **machine()},
        "versions": versions,
        "share_killed": round(1 - total["survived"] / total["mutants"], 4),
        **total,
        "modules": rows,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--sample", type=int, default=sys.maxsize, help="mutants of a module")
    parser.add_argument("--in", dest="copy", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copy:
        try_module(given.names[0], given.copy, given.sample)
    else:
        main(given.names, given.sample)
