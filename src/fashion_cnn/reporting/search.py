"""A search in a table, and the command of its best trial, out of what its `search.json` holds."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fashion_cnn.commands import pasted
from fashion_cnn.recipes.fields import format_value
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.text import cell

_SHOWN = 10


def to_text(result: Mapping[str, Any]) -> str:
    """The best trials as a Markdown table, what became of the others, the recipe and command.

    Args: result: what `search.json` holds.
    """
    rows, objective = result["trials"], result["objective"]
    accuracy = objective == "accuracy"
    done = [row for row in rows if row["state"] == "complete"]
    done.sort(key=lambda row: row["value"], reverse=accuracy)
    fields = result["fields"]
    lines = [
        f"| trial | validation {objective} | {' | '.join(fields)} | epochs | seconds |",
        "|---" * (len(fields) + 4) + "|",
    ]
    for row in done[:_SHOWN]:
        params = " | ".join(cell(short(row["params"][name])) for name in fields)
        lines.append(
            f"| {row['trial']} | {_value(row['value'], accuracy)} | {params} | {row['epochs']} | "
            f"{row['seconds']:.1f} |"
        )
    counts = Counter(row["state"] for row in rows)
    lines += ["", f"{len(rows)} trials: " + ", ".join(f"{counts[s]} {s}" for s in sorted(counts))]
    if result["best"] is None:
        return "\n".join([*lines, "no trial is complete yet: there is no best one"])
    before, after = Recipe.from_dict(result["recipe"]), Recipe.from_dict(result["best"]["recipe"])
    changes = [
        f"  {name} = {format_value(getattr(after, name))} (was {format_value(old)})"
        for name in fields
        if after.applies(name) and getattr(after, name) != (old := getattr(before, name))
    ]
    return "\n".join(
        [
            *lines,
            f"the best of them, trial {result['best']['trial']}, is the luckiest too: expect a "
            "little less of it on other images",
            "",
            f"the recipe: {before.name}" + (", with" if changes else " as it is"),
            *changes,
            "the command, which opens the test set once:",
            f"  {pasted(result['best']['command'])}",
        ]
    )


def _value(value: float, accuracy: bool) -> str:
    return f"{100 * value:.2f} %" if accuracy else f"{value:.4f}"


def short(value: Any) -> str:
    """A value of a field in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)
