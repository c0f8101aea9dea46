"""Every figure has its record; and what holds that notices when one has not."""

import ast
import json
import subprocess
import sys

import pytest

from bench.records import rules
from bench.records.check import docstrings, faults, in_docstrings
from bench.records.page import Page
from bench.records.pages import CHECKS, QUOTING
from bench.records.reading import REPOSITORY, Records, catalog, student, wilson


def test_every_figure_has_its_record() -> None:
    assert [str(one) for one in faults()] == []


def test_the_command_says_so_too() -> None:
    command = [sys.executable, "-m", "bench.records"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "every figure has its record\n")


def test_the_checks_share_nothing_with_the_product() -> None:
    known = set(sys.stdlib_module_names) | {"numpy", "scipy", "bench"}
    for file in REPOSITORY.glob("bench/records/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in known, file
                assert not name.startswith("bench") or name.startswith("bench.records"), file


def checked(text: str, *sentences: tuple) -> list[str]:
    page = Page("page.md", text)
    for template, *values in sentences:
        page.says(template, *values)
    return [str(one) for one in page.finish()]


def test_a_figure_with_its_record_passes_over_a_line_break() -> None:
    assert (
        checked("It has 92.58 ±\n0.17 % of them.", ("has {:.2f} ± {:.2f} %", 92.577, 0.171)) == []
    )


def test_a_wrong_digit_is_named_with_page_line_and_both_figures() -> None:
    found = checked("Begin.\n\nIt has 92.68 % of them.", ("It has {:.2f} %", 92.58))
    assert "page.md:3: says 92.68 where the records say 92.58: 'It has {:.2f} %'" in found
    assert any(one.startswith("page.md:3: no record says 92.68") for one in found)


@pytest.mark.parametrize("text", ["has 192.58 %", "has 92.581 %", "has 92.58.1 %", "has +92.58 %"])
def test_a_longer_number_is_another_one(text: str) -> None:
    assert checked(text, ("has {:.2f} %", 92.58))


def test_a_sentence_that_is_gone_is_missed() -> None:
    assert checked("Nothing.", ("has {:.2f} %", 92.58)) == [
        "page.md:1: is to say 'has {:.2f} %' with 92.58"
    ]


def test_a_number_without_a_record_is_named() -> None:
    (found,) = checked("a\nIt takes 17 minutes.\n")
    assert found == "page.md:2: no record says 17 (a It takes 17 minutes.)"


def test_a_number_in_the_words_of_a_sentence_has_no_record() -> None:
    assert checked("of 20 runs 92.58 %", ("of 20 runs {:.2f} %", 92.58)) == [
        "page.md:1: no record says 20 (of 20 runs 92.58 %)"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "`--epochs 16`",
        "```\ntrain --epochs 5\n```",
        "[record](docs/results/trials/fast-2-epochs.json)",
        "28x28, 28 x 28 x 1",
        "2026-11-24",
        "arXiv 1708.07747",
        "torch 2.13.0",
        "Python 3.11",
        "float32 AVX-512 SHA-256 MobileNetV2",
        "95 % interval",
        "1. first",
    ],
)
def test_what_is_no_figure_needs_no_record(text: str) -> None:
    assert checked(text) == []


@pytest.mark.parametrize("text", ["1.87x", "16 epochs", "n=20", "95 %", "5e-4", "~3 ms", "(0.9)"])
def test_what_is_a_figure_needs_one(text: str) -> None:
    assert checked(text)


def test_settings_are_named_in_their_words() -> None:
    page = Page("page.md", "Batches of 64 images.")
    page.settings("Batches of 64")
    assert page.finish() == []
    page.settings("Batches of 65")
    assert len(page.finish()) == 1
    with pytest.raises(ValueError, match="needs words"):
        page.settings("64")


def test_a_row_of_a_table_is_held_cell_by_cell() -> None:
    table = "| a | n |\n|---|---|\n| mine | 3 |\n"
    page = Page("page.md", table)
    page.row("mine", "3")
    assert page.finish() == []
    page = Page("page.md", table)
    page.row("mine", "4")
    assert [one.line for one in page.finish()] == [3, 3]


def test_a_log_may_say_that_readings_are_not_kept() -> None:
    kept = "## Entry\n\nIt took 17 s.\n\nIt took 18 s, by a script that is\nnot kept.\n"
    assert [one.line for one in Page("log.md", kept, history=True).finish()] == [3]
    assert [one.line for one in Page("page.md", kept).finish()] == [3, 5]
    whole = "## Old\n\n**Readings not kept.** 17 s.\n\n18 s.\n\n## New\n\n19 s.\n"
    assert [one.line for one in Page("log.md", whole, history=True).finish()] == [9]


def test_only_docstrings_of_a_module_are_its_page() -> None:
    source = (
        '"""Has 3 of them."""\n\nX = 4  # 5\n\n\ndef f():\n    """Has\n    6."""\n    return 7\n'
    )
    assert [one.line for one in Page("m.py", docstrings(source)).finish()] == [1, 8]


def test_a_measured_figure_in_any_docstring_is_noticed() -> None:
    said = 'def f():\n    """Takes at most 8 MB; %s."""\n'
    assert list(in_docstrings("m.py", said % "with 241,546 parameters, sure to 95 %")) == []
    for figure in ("costs 2 % of a step", "1.3 points better", "1.5 times as fast"):
        assert [one.line for one in in_docstrings("m.py", said % figure)] == [2]


def test_a_changed_record_is_noticed() -> None:
    study = Records().json("findings/study.json")
    row = next(row for row in study["runs"] if row["variant"] == "StepLR")
    row["accuracy"] += 0.001
    changed = {"findings/study.json": json.dumps(study)}
    found = [str(one) for one in faults("docs/findings.md", changed=changed)]
    assert any("by the records the row is | StepLR | 3 |" in one for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "It has 95.1 % of the test images, so it is kept.",
        "`wide` was chosen because its test accuracy is 95.1 %.",
        "It has 95.1 % of the test images (n=1).\nSo it is the third recipe.",
        "On test it has 0.3 points more, therefore flips stay.",
    ],
)
def test_a_test_figure_is_no_reason(text: str) -> None:
    (found,) = rules.reasons(Page("page.md", "## A\n\n" + text))
    assert (found.line, found.what.split(":")[0]) == (3, "a test figure as a reason")


@pytest.mark.parametrize(
    "text",
    [
        "It has 95.1 % of the test images, which was chosen on validation images.",
        "It was chosen because it has 95.1 % of the validation images.",
        "It has 95.1 % of the test images. It is slow.",
        "| because | test accuracy 95.1 % |",
        "```\nbecause of 95.1 % of the test images\n```",
    ],
)
def test_other_reasons_and_other_test_figures_pass(text: str) -> None:
    assert list(rules.reasons(Page("page.md", text))) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.json", '{"measure": "test", "runs": []}'),
        ("metrics.json", '{"final": {"test": {"accuracy": 0.9}}}'),
        ("metrics.json", '{"test_readings": 1}'),
        ("study.json", '{"runs": [{"command": ["fashion-cnn", "train", "fast"]}]}'),
        ("photos.json", '{"imitated_of": "test", "imitated": {}}'),
        ("classification_report.txt", "accuracy  0.95  10000"),
        ("readings.txt", "seed 0: 95.13 % of the test images"),
    ],
)
def test_a_trial_that_opened_the_test_set_is_seen(name: str, text: str) -> None:
    assert list(rules.opened(f"trials/{name}", text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.json", '{"measure": "validation", "runs": [{"command": ["train", "--no-test"]}]}'),
        ("metrics.json", '{"final": {"validation": {"accuracy": 0.9}}, "test_readings": 0}'),
        ("classification_report.txt", "accuracy  0.95  6000"),
        ("gate.txt", "the tests take 8.5 min, 1,271 of them"),
    ],
)
def test_other_trials_pass(name: str, text: str) -> None:
    assert list(rules.opened(f"trials/{name}", text)) == []


def test_the_closed_list_of_trials_is_no_longer_than_it_must_be() -> None:
    for name in rules.HISTORIC_TRIALS:
        assert list(rules.opened(name, Records().text(name))), name


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("docs/front.md", "94.98 ± 0.13 %", "94.98 ± 0.31 %"),
        ("docs/front.md", "| 10.2 s |", "| 12.2 s |"),
        ("docs/assignment.md", "| Coat | 0.864 |", "| Coat | 0.846 |"),
        ("docs/speed.md", "## Training\n", "## Training\n\nAn epoch takes 17.3 s.\n"),
        ("docs/speedrun.md", "58x to 59x", "58x to 61x"),
        ("docs/scaling.md", "| 1.63 (1.49", "| 1.36 (1.49"),
        ("docs/log.md", "1.52 and 2.16 times", "1.53 and 2.16 times"),
        ("docs/log.md", "95.34 % flatters", "95.33 % flatters"),
        ("src/fashion_cnn/recipes/catalog.py", "95.49 ± 0.11 % (n=3", "95.60 ± 0.11 % (n=3"),
        ("src/fashion_cnn/recipes/catalog.py", "batch 500, 42 epochs", "batch 500, 40 epochs"),
        ("src/fashion_cnn/shipping/pretrained/balanced.md", "94.90%", "94.91%"),
        ("src/fashion_cnn/shipping/pretrained/balanced.md", "SHA-256 `559d04", "SHA-256 `559d05"),
    ],
)
def test_a_wrong_figure_on_a_page_is_noticed(name: str, right: str, wrong: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert right in text
    assert list(faults(name, text.replace(right, wrong, 1)))


@pytest.mark.parametrize(
    ("name", "path", "right", "wrong"),
    [
        ("docs/front.md", "speedrun/study.json", '"accuracy": 0.9254', '"accuracy": 0.9454'),
        ("docs/speedrun.md", "balanced/ensemble.txt", "95.37 %", "95.38 %"),
        (
            "docs/speedrun.md",
            "benchmark-train-xeon.json",
            '"hand_written": [',
            '"hand_written": [1, 1, ',
        ),
    ],
)
def test_another_record_is_noticed(name: str, path: str, right: str, wrong: str) -> None:
    text = Records().text(path)
    assert right in text
    assert list(faults(name, changed={path: text.replace(right, wrong, 1)}))


def test_the_formulas_by_hand() -> None:
    mean, low, high = student([1.0, 2.0, 3.0])  # t(2 degrees) = 4.302653, sd 1, over root 3
    assert mean == 2
    assert (low, high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)
    assert student([0.0, 0.0]) == (0, 0, 0)
    assert wilson(5, 10) == pytest.approx((23.6593, 76.3407), abs=1e-3)


def test_settings_are_read_from_the_catalogue() -> None:
    found = catalog()
    assert set(found) == {"baseline", "fast", "fast93", "fast94", "balanced", "best", "photo"}
    assert found["baseline"]["batch_size"] == 64
    assert found["best"]["epochs"] == 56
    assert found["best"]["batch_size"] == 500


def test_every_check_has_its_page() -> None:
    for name in (*CHECKS, *QUOTING):
        assert (REPOSITORY / name).exists()


def test_the_readme_may_quote_any_page_and_must_quote_none() -> None:
    found = "| `baseline` | three convolutions, two dense layers | 50 | 241,546 | 15.2 | the course"
    assert list(faults("README.md", "Nothing.\n")) == []
    assert list(faults("README.md", f"{found} assignment |\n")) == []
    wrong = f"{found} assignment |\n".replace("15.2", "15.3")
    assert any("no record says 15.3" in str(one) for one in faults("README.md", wrong))
