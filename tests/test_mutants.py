"""What `make mutants` alters is there, it tells killed from alive, and its record adds up."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from conftest import REPOSITORY
from mutants import COUNTS, MODULES, TOO_SLOW, altered_constants, difference, drawn, record


@pytest.mark.parametrize("name", MODULES)
def test_each_module_and_its_tests_are_there(name: str) -> None:
    for path in MODULES[name]:
        assert (REPOSITORY / path).is_file(), path


def test_what_is_left_out_as_too_slow_is_there() -> None:
    for test in TOO_SLOW:
        file, _, function = test.partition("::")
        text = (REPOSITORY / "tests" / file).read_text()
        assert text.count(f"def {function}") == 1, f"pytest would leave out what begins so: {test}"
        assert f"def {function}(" in text, test


def test_constants_are_altered_one_at_a_time() -> None:
    text = 'A = 1\nB: float = -2.5  # é\nC = {3: ("x", True)}\n\n\ndef f():\n    return 4\n'
    found = dict(altered_constants(text))
    assert list(found) == [
        "line 1: A = 1 -> A = 2",
        "line 2: B: float = -2.5  # é -> B: float = -3.5  # é",
        'line 3: C = {3: ("x", True)} -> C = {4: ("x", True)}',
    ]
    assert found["line 1: A = 1 -> A = 2"] == text.replace("A = 1", "A = 2")


def test_a_mutant_is_shown_by_the_lines_that_differ() -> None:
    code = "def f__mutmut_orig():\n    a = 1\n    b\ndef f__mutmut_1():\n    a = 2\n    b\n"
    spans = {
        "f__mutmut_orig": SimpleNamespace(start=1, end=3),
        "f__mutmut_1": SimpleNamespace(start=4, end=6),
    }
    mutated = SimpleNamespace(code=code, line_span_by_function_name=spans)
    assert difference(mutated, "f__mutmut_1") == "- a = 1 + a = 2"


def test_a_sample_is_always_the_same_and_in_order() -> None:
    mutants = [f"f__mutmut_{i}" for i in range(100)]
    sample = drawn(mutants, 10)
    assert sample == drawn(mutants, 10) != mutants[:10]
    assert sample == [name for name in mutants if name in sample]
    assert len(sample) == 10
    assert drawn(mutants, 100) == mutants


ANSWER = """
import os

def answer():
    mutant = os.environ["MUTANT_UNDER_TEST"]
    while mutant == "endless":
        pass
    if mutant == "crash":
        os._exit(9)
    return 3 if mutant == "wrong" else 2
"""
RUN = """
import json, mutants, pytest
mutants.LEAST_SECONDS = 2
forks = mutants.Forks(["wrong", "alike", "crash", "endless"])
pytest.main(["-q", "-pno:cacheprovider", "test_it.py"], plugins=[forks])
print(json.dumps(forks.found))
"""


@pytest.mark.parametrize("wanted", [2, 4])
def test_mutants_are_killed_or_alive_or_endless(tmp_path, wanted: int) -> None:
    (tmp_path / "it.py").write_text(ANSWER)
    code = f"import it\n\n\ndef test():\n    assert it.answer() == {wanted}\n"
    (tmp_path / "test_it.py").write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY / "bench")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if wanted == 2:
        assert found == {
            "wrong": "killed",
            "alike": "survived",
            "crash": "killed",
            "endless": "timeouts",
        }
    else:
        assert found == {"unaltered": "failed"}, "nothing is counted where the tests fail anyway"


def test_the_record_adds_up() -> None:
    counts = {"mutants": 10, "killed": 7, "timeouts": 2, "survived": 1}
    found = record({"a": counts, "b": {"mutants": 5, "killed": 5, "timeouts": 0, "survived": 0}})
    assert [found[what] for what in COUNTS] == [15, 12, 2, 1]
    assert found["share_killed"] == round(14 / 15, 4)
