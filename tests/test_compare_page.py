"""The page of a comparison, in a real browser, and the files beside it."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from fashion_cnn.cli import main
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.compare import Comparison, compare
from fashion_cnn.reporting.charts import chart
from fashion_cnn.reporting.comparison import results_table
from fashion_cnn.reporting.comparison_page import (
    comparison_page,
    curves,
    differing_settings,
    short_names,
)
from fashion_cnn.reporting.plots import curve_axes, literal
from fashion_cnn.run.folder import Run
from fashion_cnn.text import aligned
from finished import finished_run
from test_report import CONTRAST, opened


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Comparison, list[Run], Split]:
    folder = tmp_path_factory.mktemp("compared")
    one, _, images = finished_run(folder / "a/one", skill=2.0)
    other, _, _ = finished_run(folder / "b/other", skill=3.0, width=16, seed=1)
    return compare([one, other]), [one, other], images


@pytest.fixture(scope="module")
def page_file(compared, tmp_path_factory) -> Path:
    comparison, _, images = compared
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(comparison_page(comparison, images))
    return path


def test_a_cell_opens_the_images_with_both_answers(chromium: Browser, compared, page_file) -> None:
    comparison, runs, _ = compared
    one, other = (run.results.predictions for run in runs)
    page, wrong = opened(chromium, page_file)
    names = comparison.class_names
    a, b = 3, 4
    for label, called in ((a, b), (b, b)):
        before = (one.labels == label) & (one.predicted == called)
        after = (other.labels == label) & (other.predicted == called)
        button = page.locator(f"[data-cell='{label}-{called}']")
        change = int(after.sum()) - int(before.sum())
        assert button.inner_text() == f"{change:+d}".replace("-", "\N{MINUS SIGN}").replace(
            "+0", "0"
        )
        button.press("Enter")
        gone, come = before & ~after, after & ~before
        wanted = [index for part in (gone, come) for index in np.flatnonzero(part)]
        items = page.locator("#shown li").all_inner_texts()
        assert len(items) == len(wanted) > 4
        for text, index in zip(items, wanted, strict=True):
            assert f"1: {names[one.predicted[index]]}" in text
            assert f"2: {names[other.predicted[index]]}" in text
            assert text.endswith(f"#{index}")
    page.click("#shown button.px >> nth=0")
    rows = page.locator("dialog tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["a/one", "b/other"]
    page.keyboard.press("Escape")
    page.select_option("#second", "0")
    assert page.locator("button.cell").count() == 0, "a run does not differ from itself"
    assert wrong == []
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_it_fits_and_can_be_read(chromium: Browser, page_file, scheme, width: int) -> None:
    size = {"width": width, "height": 800}
    page, wrong = opened(chromium, page_file, color_scheme=scheme, viewport=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5, "WCAG AA"
    assert page.locator(".scroll:not([tabindex])").count() == 0
    assert wrong == []
    page.close()


def test_runs_of_one_epoch_are_points_at_that_epoch(tmp_path) -> None:
    runs = [finished_run(tmp_path / name)[0] for name in "ab"]
    for run in runs:
        run.record_history(run.history[:1])
    (axes,) = curves(runs, ["a", "b"], "loss").axes
    assert axes.get_xlim() == (0, 2)
    low, high = axes.get_ylim()
    assert low < runs[0].history[0].val_loss < high


def test_a_run_that_was_stopped_in_its_first_epoch_has_an_empty_curve(tmp_path) -> None:
    runs = [finished_run(tmp_path / name)[0] for name in "ab"]
    runs[0].record_history([])
    drawn = chart(curves(runs, ["a", "b"], "loss"))
    assert "<desc>a: ; b: " in drawn


def test_the_run_that_one_stands_in_has_a_name() -> None:
    assert short_names([".", "../b"]) == [".", "../b"]


def test_a_setting_that_only_begins_to_matter_is_no_difference(tmp_path) -> None:
    """`augment_classes` is for the flips that one has; both leave it at its default."""
    runs = [finished_run(tmp_path / str(flip), flip=flip)[0] for flip in (False, True)]
    assert differing_settings(runs) == {"flip": ["off", "on"]}


def test_it_says_what_differs_and_how_much(compared, page_file) -> None:
    comparison, runs, _ = compared
    text = page_file.read_text()
    assert differing_settings(runs) == {"width": ["32", "16"], "seed": ["0", "1"]}
    low, high = comparison.differences[0].interval
    assert f"{100 * low:+.2f} to {100 * high:+.2f}" in text
    accuracies = [float(run.results.predictions.correct.mean()) for run in runs]
    shown = re.findall(r"<b>([0-9.]+)\N{NO-BREAK SPACE}%</b>", text)
    assert shown == [f"{100 * accuracy:.2f}" for accuracy in sorted(accuracies, reverse=True)]
    assert text.count("0.9 at 1, 0.45 at 2, 0.3 at 3") == 2, "each run's curve, in words"


def test_the_table_is_csv_and_latex(compared) -> None:
    comparison, runs, _ = compared
    head, *rows = results_table(comparison, "csv").splitlines()
    assert head.startswith("run,runs,accuracy,low,high,difference")
    (first, second), (difference,) = comparison.groups, comparison.differences
    for row, group in zip(rows, (first, second), strict=True):
        shares = [f"{100 * share:.2f}" for share in (group.mean, *group.interval)]
        assert row.split(",")[:5] == [group.name, "1", *shares]
    assert first.name == str(runs[0].path)
    assert rows[0].split(",")[5:] == [""] * 4
    points = [f"{100 * share:.2f}" for share in (difference.accuracy, *difference.interval)]
    assert rows[1].split(",")[5:] == [*points, "paired by image"]
    lines = results_table(comparison, "tex").splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrrrl}"
    assert lines[1].endswith(r"difference\_low & difference\_high & by \\")
    assert lines[-1] == r"\end{tabular}"
    assert {line.count(" & ") for line in (lines[1], *lines[3:-1])} == {8}


def test_other_images_and_too_many_runs_are_refused(compared, monkeypatch) -> None:
    comparison, _, images = compared
    with pytest.raises(UsageError, match="were not evaluated on these 1199 images"):
        comparison_page(comparison, images.select(np.arange(1199)))
    monkeypatch.setattr("fashion_cnn.reporting.comparison_page.MOST_RUNS", 1)
    with pytest.raises(UsageError, match="at most 1 runs of at most 40 classes, not 2 of 10"):
        comparison_page(comparison, images)


def test_names_are_as_short_as_they_tell_apart() -> None:
    assert short_names(["runs/a", "runs/b"]) == ["a", "b"]
    assert short_names(["/x/one/run", "/x/two/run"]) == ["one/run", "two/run"]
    assert short_names(["run", "deep/run"]) == ["run", "deep/run"]


def test_the_command_draws_by_the_ending(compared, tmp_path, monkeypatch, capsys) -> None:
    _, runs, _ = compared
    monkeypatch.setenv("COLUMNS", "80")
    words = ["compare", *(str(run.path) for run in runs)]
    for name, begins in (("c.pdf", b"%PDF"), ("c.svg", b"<?xml"), ("c.png", b"\x89PNG")):
        assert main([*words, "--plot", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begins)
    out = capsys.readouterr().out
    assert "|" not in out, "a table, and not its Markdown"
    assert "T-shirt/top" in out
    assert (
        main([*words, "--table", str(tmp_path / "t.tex"), "--plot", str(tmp_path / "c.png")]) == 0
    )
    assert (tmp_path / "t.tex").read_text() == results_table(compared[0], "tex")
    for flag in ("--plot", "--table"):
        assert main([*words, flag, "figure.xls"]) == 2
        assert f"{flag} is figure.xls; it must end in one of ." in capsys.readouterr().err


def test_tables_in_columns() -> None:
    markdown = "Before\n\n| who | n |\n|---|---|\n| a | 5 |\n| bcd | 12 |\nafter"
    assert aligned(markdown).split("\n") == [
        "Before", "", "who   n", "---  --", "a     5", "bcd  12", "after",
    ]  # fmt: skip
    assert aligned("no table") == "no table"


def test_dollars_in_a_name_are_no_formula() -> None:
    figure, axes = curve_axes("loss")
    axes.plot([1, 2], [3, 4], label=literal(r"$\mathds{R}$ of $5"))
    axes.legend()
    axes.set_title(literal("a$b$c \udce9"))
    drawn = chart(figure)
    assert 'aria-label="a$b$c \\udce9"' in drawn
    assert "$\\mathds{R}$ of $5: 3 at 1" in drawn
    assert drawn.count("\\$") == 0
