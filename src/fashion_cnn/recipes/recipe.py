"""`Recipe`: all that decides what a run learns, every default once."""

import dataclasses
import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.start import TIMM, check_start, check_teacher


def _field(
    default: Any,
    help: str,
    *,
    low: float = 0,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    prefix: str = "",
    flag: str = "",
    open_low: bool = False,
    open_high: bool = False,
) -> Any:
    """Declare a field: its default, its one-line meaning and the values that are allowed."""
    return field(
        default=default,
        metadata={
            "help": help,
            "low": low,
            "high": high,
            "choices": choices,
            "prefix": prefix,
            "flag": flag,
            "open_low": open_low,
            "open_high": open_high,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: the model, the data, the optimiser, the schedule and the augmentation.

    Two runs of one recipe on one machine, thread count and set of versions give the same bits.

    Raises:
        UsageError: a value is out of its range; the message says which and what is allowed.
    """

    name: str = _field("baseline", "the catalogue entry that this recipe began as")
    model: str = _field(
        "simple_cnn",
        "the network; one of timm's is timm:NAME",
        choices=("simple_cnn", "strided_cnn", "resnet", "wide_resnet"),
        prefix=TIMM,
    )
    width: int = _field(
        32, "channels of the first stage; the later ones have 2 or 4 times as many", low=1
    )
    blocks: int = _field(
        1, "residual blocks a stage; wide_resnet has one fewer in its first", low=1, high=20
    )
    seed: int = _field(0, "of the split, the start, the order, dropout, augmentation")

    epochs: int = _field(50, "passes over the training part", low=1)
    batch_size: int = _field(64, "images a step", low=1)
    validation: float = _field(
        0.1, "share kept for validation", high=1, open_low=True, open_high=True
    )
    answer: str = _field(
        "best", "the checkpoint that the report speaks of", choices=("best", "final")
    )
    train_images: int = _field(0, "train on a stratified sample of this size; 0 = on all")

    init_from: str = _field("", "start from these weights: a run folder or a safetensors file")
    init_sha256: str = _field("", "of that file, which must have it; empty = as it is found")
    freeze: int = _field(0, "epochs at first in which the last layer alone learns")
    pretrained: bool = _field(True, "timm: without init_from, start from the weights on its hub")
    input_side: int = _field(
        96, "timm: pixels of the side to which the network enlarges images", low=32, high=512
    )

    teacher: str = _field(
        "", "learn its answers: an exported run, an ONNX file, or pretrained (the package's own)"
    )
    teacher_sha256: str = _field("", "of that file, which must have it; empty = as it is found")
    distill: float = _field(0.9, "teacher: share of its answer; the label has the rest", high=1)

    optimizer: str = _field(
        "adam", "how gradients become steps", choices=("adam", "adamw", "sgd", "muon")
    )
    learning_rate: float = _field(1e-3, "peak learning rate", open_low=True, flag="lr")
    momentum: float = _field(0.9, "decay a step of the averaged gradient", high=1, open_high=True)
    beta2: float = _field(
        0.999, "adam, adamw, muon: decay a step of the squared gradient", high=1, open_high=True
    )
    weight_decay: float = _field(
        0.0, "L2 penalty (adam, sgd) or decay at the learning rate (adamw, muon)"
    )
    schedule: str = _field(
        "constant",
        "course of the learning rate",
        choices=("constant", "step", "plateau", "cosine", "one-cycle", "triangle"),
    )
    schedule_epochs: int = _field(10, "step: epochs between cuts; plateau: patience", low=1)
    schedule_factor: float = _field(
        0.1, "step, plateau: each cut's factor", high=1, open_low=True, open_high=True
    )
    warmup: float = _field(
        0.3,
        "one-cycle, triangle: share of the steps that rise",
        high=1,
        open_low=True,
        open_high=True,
    )

    dropout: float = _field(0.4, "share of the hidden units dropped", high=1, open_high=True)
    label_smoothing: float = _field(
        0.0, "share of each label spread over all classes", high=1, open_high=True
    )
    class_weights: tuple[float, ...] = _field(
        (), "a factor on the loss for each class, from class 0 on; empty = none"
    )
    ema_decay: float = _field(
        0.0, "decay a step of the averaged weights that answer; 0 = off", high=1, open_high=True
    )

    flip: bool = _field(False, "mirror images left to right, each in every other epoch")
    translate: int = _field(0, "shift by up to this many pixels", high=27)
    rotate: float = _field(0.0, "turn by up to this many degrees", high=180)
    randaugment: int = _field(
        0, "turns, shears and shifts drawn an image, one upon the other", high=10
    )
    magnitude: float = _field(9.0, "randaugment: the strength of each", high=30)
    erase: float = _field(0.0, "probability of erasing a random rectangle", high=1)
    cutout: int = _field(0, "cover a square of this side, in the mean grey, in each image", high=28)
    cutmix: float = _field(0.0, "probability a step of pasting a part of another image", high=1)
    augment_classes: tuple[int, ...] = _field(
        (), "classes, from 0 on, to augment (mixing, outliers and photo apart); empty = all"
    )

    outliers: float = _field(
        0.0, "share of images made into none of the classes, so that it learns doubt", high=1
    )
    photo: float = _field(0.0, "probability of making an image look cut out of a photo", high=1)

    precision: str = _field(
        "float32",
        "mixed: convolve in bfloat16 where the device has units for it, else in float32",
        choices=("float32", "mixed"),
    )

    early_stopping: int = _field(0, "stop after so many epochs without a better loss; 0 = never")

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if type(item.default) is float and type(value) is int and abs(value) < _MOST:
                value = float(value)
            elif item.name == "class_weights" and type(value) is tuple:
                value = tuple(float(w) if type(w) is int and w < _MOST else w for w in value)
            object.__setattr__(self, item.name, value)
            _check(item, value)
        if not all(type(w) is float and 0 < w < math.inf for w in self.class_weights):
            raise UsageError(
                f"class_weights is {self.class_weights}; it must be positive numbers, or empty"
            )
        check_start(self)
        check_teacher(self)
        chosen = self.augment_classes
        if any(type(k) is not int or k < 0 for k in chosen) or len(set(chosen)) < len(chosen):
            raise UsageError(
                f"augment_classes is {chosen}; it must be different whole numbers from 0 on"
            )
        if chosen and not any(getattr(self, name) for name in _OF_ONE_IMAGE):
            raise UsageError(
                f"augment_classes is {chosen}, but there is nothing to apply to them; it must be "
                f"empty, or come with one of {', '.join(_OF_ONE_IMAGE)}"
            )

    def check_classes(self, classes: int) -> None:
        """Raise `UsageError` for a field that names classes and does not fit `classes` of them."""
        if self.class_weights and len(self.class_weights) != classes:
            raise UsageError(
                f"class_weights has {len(self.class_weights)} numbers; the data set has {classes} "
                "classes, and each needs one"
            )
        if self.augment_classes and max(self.augment_classes) >= classes:
            raise UsageError(
                f"augment_classes is {self.augment_classes}; the data set has {classes} classes, "
                f"0 to {classes - 1}"
            )

    def replace(self, **changes: Any) -> "Recipe":
        """Copy with some fields changed; raises `UsageError` for an unknown field or bad value."""
        known = [item.name for item in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise UsageError(
                    f"a recipe has no {name!r}{nearest(name, known)}; see: fashion-cnn recipes "
                    f"{self.name}"
                )
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Fields in order, as JSON holds them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def fingerprint(self, data: str) -> str:
        """Digest what a run may not change while it goes on: 16 hexadecimal digits.

        Args: data: `TrainingData.fingerprint` of what it trains on.
        """
        defaults = Recipe().to_dict()
        # A field left at its default is left out: a run stays the same when recipes gain a field.
        fixed = {
            name: value
            for name, value in self.to_dict().items()
            if name not in MAY_CHANGE and value != defaults[name]
        }
        text = json.dumps([fixed, data], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read what `to_dict` wrote; a field that was not there yet has its default.

        Raises:
            UsageError: a key is unknown, or a value is out of its range.
        """
        # An older record may have fields that are gone; at these values they did nothing.
        gone = {"lookahead": 0, "start_side": 28, "mixup": 0.0}
        if not isinstance(values, Mapping):
            raise UsageError(f"a recipe is an object of fields, not {values!r:.40}")
        if "name" not in values:
            raise UsageError("the recipe lacks 'name'")
        changes = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name not in gone or value != gone[name]
        }
        return cls().replace(**changes)


_MOST = 2**63
"""Of any whole number: what the machine counts in."""

_OF_ONE_IMAGE = ("flip", "translate", "rotate", "randaugment", "erase", "cutout")
"""The augmentations that `augment_classes` confines; mixing takes two images."""

MAY_CHANGE = ("epochs", "early_stopping")
"""The fields that say when to stop: a resumed run may be given others."""


def flag(item: dataclasses.Field[Any]) -> str:
    """The command-line flag that sets a field."""
    return "--" + (item.metadata["flag"] or item.name).replace("_", "-")


def flag_words(name: str, value: Any) -> list[str]:
    """The words of a command line that set field `name` to `value`."""
    item = next(item for item in dataclasses.fields(Recipe) if item.name == name)
    if isinstance(value, bool):
        return [flag(item) if value else flag(item).replace("--", "--no-", 1)]
    return [flag(item), ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def nearest(word: str, known: list[str]) -> str:
    """Offer the known word that looks most like `word`: " (did you mean …?)", or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def format_value(value: Any) -> str:
    """Write a field's value for people."""
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _check(item: dataclasses.Field[Any], value: Any) -> None:
    rule, wanted = item.metadata, type(item.default)
    said = f"{item.name} ({flag(item)})" if rule["flag"] else item.name
    if type(value) is not wanted:
        raise UsageError(f"{said} is {value!r}; it must be of type {wanted.__name__}")
    theirs = bool(rule["prefix"]) and value.startswith(rule["prefix"])
    if rule["choices"] and value not in rule["choices"] and not theirs:
        more = f", or {rule['prefix']}NAME" if rule["prefix"] else ""
        raise UsageError(
            f"{said} is {value!r}{nearest(value, list(rule['choices']))}; "
            f"it must be one of {', '.join(rule['choices'])}{more}"
        )
    if wanted in (int, float):
        above = value > rule["low"] if rule["open_low"] else value >= rule["low"]
        below = value < rule["high"] if rule["open_high"] else value <= rule["high"]
        counts = math.isfinite(value) if wanted is float else value < _MOST
        if not (above and below and counts):
            raise UsageError(f"{said} is {value}; it must be {_range(wanted, rule)}")


def _range(wanted: type, rule: Mapping[str, Any]) -> str:
    kind = "a whole number" if wanted is int else "a number"
    low = f"{'above' if rule['open_low'] else 'of at least'} {rule['low']}"
    if rule["high"] == math.inf:
        return f"{kind} {low} and below {'2^63' if wanted is int else 'infinity'}"
    return f"{kind} {low} and {'below' if rule['open_high'] else 'at most'} {rule['high']}"
