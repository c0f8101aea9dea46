"""What `calibration.json` holds, key by key, so that an altered one is told before it is used."""

from dataclasses import dataclass
from typing import Annotated, Any

from fashion_cnn.run.typed import Count, Positive, Share, Within, decode

_Temperature = Annotated[float, Within(1e-6, 1e6)]


@dataclass(frozen=True)
class Sets:
    """What answering reads of the prediction sets."""

    threshold: Share


@dataclass(frozen=True)
class Choice:
    """The least confidence that is answered at an error rate; None if none is high enough."""

    error_rate: Share
    threshold: Share | None


@dataclass(frozen=True)
class Choices:
    """What answering reads of the error rates; one of them is the file's own."""

    error_rate: Share
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class _Images:
    split: str
    n: Count


@dataclass(frozen=True)
class _Sets(Sets):
    coverage: Share
    expected_coverage_interval: tuple[Share, Share]


@dataclass(frozen=True)
class _Choices(Choices):
    threshold: Share | None


@dataclass(frozen=True)
class _Bin:
    n: Count
    confidence: Share
    accuracy: Share
    interval: tuple[Share, Share]


@dataclass(frozen=True)
class _Scores:
    loss: Positive
    brier: Positive
    ece: Share
    ece_by_chance: Positive
    mean_confidence: Share
    reliability: tuple[_Bin, ...]


@dataclass(frozen=True)
class _Coverage:
    coverage: Share
    interval: tuple[Share, Share]
    mean_size: Positive
    sizes: tuple[Count, ...]
    coverage_by_class: tuple[Share | None, ...]


@dataclass(frozen=True)
class _Rejected:
    error_rate: Share
    answered: Share
    wrong: Share | None
    interval: tuple[Share, Share] | None


@dataclass(frozen=True)
class _Point:
    coverage: Share
    risk: Share
    confidence: Share


@dataclass(frozen=True)
class _Curve:
    area: Share
    curve: tuple[_Point, ...]


@dataclass(frozen=True)
class _Measured:
    split: str
    n: Count
    before: _Scores
    after: _Scores
    conformal: _Coverage
    reject: tuple[_Rejected, ...]
    risk_coverage: _Curve


@dataclass(frozen=True)
class _Calibration:
    checkpoint: str
    temperature: _Temperature
    temperature_interval: tuple[_Temperature, _Temperature]
    fitted_on: _Images
    conformal: _Sets
    reject: _Choices
    measured: _Measured
    label_smoothing: Share = 0.0  # from before it was undone
    sha256: str = ""


def check_calibration(values: Any) -> None:
    """Raise `ValueError`, which says where, unless all that anybody reads of it can be used."""
    found = decode(_Calibration, values)
    rates = [choice.error_rate for choice in found.reject.choices]
    measured = [row.error_rate for row in found.measured.reject]
    if found.reject.error_rate not in rates or measured != rates:
        raise ValueError("its error rates are not those that it was measured at")
    if len(found.measured.conformal.sizes) != len(found.measured.conformal.coverage_by_class) + 1:
        raise ValueError("its sets are not of as many classes as it has")
