"""What the server answers, as its documentation states it."""

from pydantic import BaseModel


class ClassProbability(BaseModel):
    """A class and its calibrated probability, from 0 to 1."""

    label: str
    probability: float


class Answer(BaseModel):
    """What the model says of a picture."""

    label: str
    probability: float
    accepted: bool
    doubtful: bool
    may_be: list[str]
    outlier_score: float
    warnings: list[str]
    recipe: str
    top: list[ClassProbability]
    seen_png: str


class Stage(BaseModel):
    """Maps of one size: signed bytes in base64, of which 127 stands for `largest`."""

    channels: int
    height: int
    width: int
    largest: float
    maps: str


class FirstLayer(BaseModel):
    """The first convolution: what it is given, its filters, and the operators behind it."""

    plane: list[float]
    weights: list[list[float]]
    bias: list[float]
    side: tuple[int, int]
    pads: tuple[int, int]
    strides: tuple[int, int]
    then: list[str]


class ClassEvidence(BaseModel):
    """A class, its score (logit), and what the strongest channels and all others add to it."""

    label: str
    probability: float
    score: float
    channels: list[tuple[int, float]] | None
    others: tuple[int, float] | None = None
    bias: float | None = None


class Evidence(BaseModel):
    """By class in the order of `classes`: side x side signed bytes; 127 stands for `points`."""

    side: int
    points: float
    values: str


class SeenLayers(BaseModel):
    """What the network saw on its way to an answer; `notes` say what cannot be shown of it.

    With `of_maps` a channel is a map of the last stage, else a unit of the layer before the last.
    """

    recipe: str
    picture: str
    notes: list[str]
    stages: list[Stage]
    of_maps: bool
    window: FirstLayer | None
    classes: list[ClassEvidence]
    evidence: Evidence


class Status(BaseModel):
    """Whether the server lives, or is ready."""

    status: str
