"""Pages that need nothing but themselves: templates, their figures in words, style and script."""

import base64
import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_cnn.commands import pasted
from fashion_cnn.text import duration
from fashion_cnn.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = "fashion_cnn.reporting"


def render(template: str, **values: Any) -> str:
    """Fill a template; it has `asset(NAME)` for the style and script files beside it.

    Raises:
        jinja2.UndefinedError: the template names a value that is not given.
    """
    environment = _environment()
    from markupsafe import Markup  # here, as jinja2: only a page needs them

    def asset(name: str) -> Markup:
        return Markup(resources.files(_HERE).joinpath(name).read_text("utf-8"))

    return environment.get_template(template).render(version=__version__, asset=asset, **values)


@functools.cache
def _environment() -> "Environment":
    """Of all templates, which it compiles once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(_HERE, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "number": _number,
        "sure": sure,
        "duration": duration,
        "pasted": pasted,
    }
    return made


def in_bytes(values: Any, kind: str = "u1") -> str:
    """Whole numbers for a page's script: base64 of their bytes, the lowest first.

    Args: kind: NumPy's name of their type.
    """
    return base64.b64encode(np.asarray(values).astype(f"<{kind}").tobytes()).decode()


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage; the sign stays with its number."""
    return "–" if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def sure(confidence: float) -> str:
    """A confidence in whole percent; what may be wrong is never called certain."""
    if round(100 * confidence) < 100:
        return percent(confidence, 0)
    return percent(min(int(1000 * confidence) / 1000, 0.999), 1)


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
