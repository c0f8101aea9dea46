"""What a run's charts show."""

from typing import Any

from fashion_cnn.reporting.charts import Axis, Series, line_chart, spanning
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import best_record


def learning_charts(run: Run, metrics: dict[str, Any]) -> dict[str, str]:
    """Loss and accuracy over the epochs: SVG by name; empty before a finished epoch."""
    history = run.history
    if not history:
        return {}
    charts, best, final = {}, best_record(history), metrics["final"]
    for quantity, title in (("loss", "Cross-entropy loss"), ("accuracy", "Accuracy")):
        lines = []
        for part, name, style in (("train", "training", "a"), ("val", "validation", "b")):
            points = [(r.epoch, getattr(r, f"{part}_{quantity}")) for r in history]
            marks = []
            if part == "val" and best:
                value = getattr(best, f"val_{quantity}")
                marks.append((best.epoch, value, f"best checkpoint: epoch {best.epoch}"))
            lines.append(Series(name, style, points, marks=marks))
        if metrics["status"] == "interrupted":
            value, where = final["validation"][quantity], final["epoch"]
            words = f"interrupted at epoch {where:g}"
            lines.append(Series(words, "quiet", [], marks=[(where, value, words)]))
        values = [y for line in lines for _, y in line.points]
        low, high = spanning(values, floor=0.0 if quantity == "loss" else None)
        show = _two if quantity == "loss" else _percent
        last = max(history[-1].epoch, final["epoch"])
        charts[quantity] = line_chart(
            f"{title} over {history[-1].epoch} epochs, on the training and the validation part; "
            f"validation ends at {show(values[-1])}",
            Axis("epoch", min(1, last - 1), last, lambda value: f"{value:g}", whole=True),
            Axis(quantity, low, min(high, 1.0) if quantity == "accuracy" else high, show),
            lines,
        )
    return charts


def calibration_charts(calibration: dict[str, Any] | None) -> dict[str, str]:
    """The reliability diagram and the risk-coverage curve: SVG by name."""
    if calibration is None:
        return {}
    measured = calibration["measured"]
    share = {"low": 0.0, "high": 1.0, "show": lambda value: f"{100 * value:.0f} %"}
    lines = [Series("confidence = accuracy", "quiet", [(0, 0), (1, 1)])]
    for part, name, style in (("before", "as trained", "a"), ("after", "calibrated", "b")):
        rows = measured[part]["reliability"]
        points = [(row["confidence"], row["accuracy"]) for row in rows]
        lines.append(Series(name, style, points, [tuple(row["interval"]) for row in rows]))
    reliability = line_chart(
        "Reliability diagram: accuracy against confidence, before and after calibration",
        Axis("confidence", **share),
        Axis("accuracy", **share),
        lines,
    )
    curve = measured["risk_coverage"]["curve"]
    marks = [
        (row["answered"], row["wrong"], f"wanted: at most {100 * row['error_rate']:g} % wrong")
        for row in measured["reject"]
        if row["wrong"] is not None
    ]
    risk = line_chart(
        "Risk-coverage curve: the share of wrong answers against the share that is answered",
        Axis("share answered, the surest first", **share),
        Axis("wrong among these", 0.0, spanning([r["risk"] for r in curve])[1], _percent),
        [Series("wrong", "b", [(r["coverage"], r["risk"]) for r in curve], marks=marks)],
    )
    return {"reliability": reliability, "risk": risk}


def _two(value: float) -> str:
    return f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
