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


class Status(BaseModel):
    """Whether the server lives, or is ready."""

    status: str
