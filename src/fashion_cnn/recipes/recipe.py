"""`Recipe`: all that decides what a run learns, every default once."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.fields import (
    MOST,
    MOST_SIZE,
    check_folder_name,
    check_value,
    flag,
    nearest,
    shown,
)
from fashion_cnn.recipes.networks import NETWORKS, TIMM, own_network, timm_name

MOST_EPOCHS = 30_000
"""Of a run: what is written of each fits into `files.MOST_TEXT` bytes of a checkpoint's state."""


def _field(
    default: Any,
    help: str,
    *,
    low: float = 0,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    forms: Mapping[str, str] = MappingProxyType({}),
    flag: str = "",
    open_low: bool = False,
    open_high: bool = False,
) -> Any:
    """Declare a field: its default, its one-line meaning and the values that are allowed.

    Args: forms: besides `choices`; each as a person writes it, and a pattern for it.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "low": low,
            "high": high,
            "choices": choices,
            "forms": forms,
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

    name: str = _field("baseline", "the recipe that this one began as")
    model: str = _field(
        "simple_cnn",
        "the network, or timm:NAME for one of timm, or FILE.py:NAME for your own",
        choices=NETWORKS,
        forms={f"{TIMM}NAME": f"{TIMM}.*", "FILE.py:NAME": r".+\.py:[^\W\d]\w*"},
    )
    model_sha256: str = _field(
        "", "SHA-256 that the code of your own network must have; empty = any"
    )
    width: int = _field(
        32,
        "channels of the first stage; the later ones have 2 and 4 times as many "
        "(strided_cnn: 2 and 2)",
        low=1,
        high=65_536,
    )
    blocks: int = _field(
        1, "residual blocks in each stage; wide_resnet has one fewer in its first", low=1, high=20
    )
    seed: int = _field(
        0, "random seed of split, initial weights, image order, dropout and augmentation"
    )

    epochs: int = _field(
        50, "passes over the training part; 0 = none, judge the network as it is", high=MOST_EPOCHS
    )
    batch_size: int = _field(64, "images in each step", low=1)
    validation: float = _field(
        0.1,
        "share of the training images kept for validation",
        high=1,
        open_low=True,
        open_high=True,
    )
    answer: str = _field(
        "best",
        "the checkpoint to report and export: best = lowest validation loss, final = last epoch",
        choices=("best", "final"),
    )
    train_images: int = _field(0, "train on a stratified sample of this size; 0 = on all")

    init_from: str = _field("", "start from these weights: a run folder or a safetensors file")
    init_sha256: str = _field("", "SHA-256 that the file of init_from must have; empty = any")
    freeze: int = _field(0, "train only the last layer for this many epochs first")
    pretrained: bool = _field(
        True, "timm: start from the pretrained weights on its hub, unless init_from is given"
    )
    input_side: int = _field(
        96, "timm: enlarge images to this many pixels a side", low=32, high=512
    )

    teacher: str = _field(
        "", "a model to learn from: an exported run, an ONNX file, or `pretrained` (the package's)"
    )
    teacher_sha256: str = _field("", "SHA-256 that the teacher's file must have; empty = any")
    distill: float = _field(
        0.9, "teacher: weight of its answer in the loss; the label has the rest", high=1
    )

    optimizer: str = _field("adam", "the optimiser", choices=("adam", "adamw", "sgd", "muon"))
    learning_rate: float = _field(
        1e-3, "peak learning rate", high=MOST_SIZE, open_low=True, flag="lr"
    )
    momentum: float = _field(
        0.9,
        "momentum (sgd, muon) or beta1 (adam, adamw): decay of the averaged gradient, per step",
        high=1,
        open_high=True,
    )
    beta2: float = _field(
        0.999, "adam, adamw, muon: decay of the squared gradient, per step", high=1, open_high=True
    )
    weight_decay: float = _field(
        0.0,
        "L2 penalty (adam, sgd) or decoupled weight decay (adamw, muon)",
        high=MOST_SIZE,
    )
    schedule: str = _field(
        "constant",
        "how the learning rate changes over time",
        choices=("constant", "step", "plateau", "cosine", "one-cycle", "triangle"),
    )
    schedule_epochs: int = _field(
        10, "step: epochs between cuts; plateau: epochs to wait for a better loss", low=1
    )
    schedule_factor: float = _field(
        0.1, "step, plateau: the factor of each cut", high=1, open_low=True, open_high=True
    )
    warmup: float = _field(
        0.3,
        "one-cycle, triangle: share of the steps in which the rate rises",
        high=1,
        open_low=True,
        open_high=True,
    )

    dropout: float = _field(0.4, "dropout rate before the last layer", high=1, open_high=True)
    label_smoothing: float = _field(
        0.0, "share of each label spread over all classes", high=1, open_high=True
    )
    class_weights: tuple[float, ...] = _field(
        (), "a factor on the loss for each class, in the order of the classes; empty = none"
    )
    ema_decay: float = _field(
        0.0,
        "average the weights, with this decay per step, and answer with the average; 0 = off",
        high=1,
        open_high=True,
    )

    flip: bool = _field(False, "mirror each image left to right in every other epoch")
    translate: int = _field(0, "shift by up to this many pixels", high=27)
    rotate: float = _field(0.0, "turn by up to this many degrees", high=180)
    erase: float = _field(0.0, "probability of erasing a random rectangle", high=1)
    cutout: int = _field(0, "cover a square of this side in each image with the mean grey", high=28)
    cutmix: float = _field(0.0, "probability, per step, of pasting parts of other images", high=1)
    augment_classes: tuple[int, ...] = _field(
        (),
        "numbers of the classes to augment, from 0; not for cutmix, outliers, photo; empty = all",
    )

    outliers: float = _field(
        0.0,
        "share of images turned into images of no class, with equal targets for all classes",
        high=1,
    )
    photo: float = _field(
        0.0, "probability of making an image look as if cut out of a photo", high=1
    )

    precision: str = _field(
        "float32",
        "mixed: convolutions in bfloat16 if the device computes it natively",
        choices=("float32", "mixed"),
    )

    early_stopping: int = _field(
        0, "stop after this many epochs without a better validation loss; 0 = never"
    )

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if type(item.default) is float and type(value) is int and abs(value) <= MOST:
                value = float(value)
            elif item.name == "class_weights" and type(value) is tuple:
                value = tuple(float(w) if type(w) is int and abs(w) <= MOST else w for w in value)
            object.__setattr__(self, item.name, value)
            check_value(item, value)
        check_folder_name("name", self.name)  # of the run, where nobody gives it another
        if not all(type(w) is float and 0 < w < math.inf for w in self.class_weights):
            raise UsageError(
                f"class_weights is {shown(self.class_weights)}; it must be positive numbers, "
                "or empty"
            )
        for name in ("model_sha256", "init_sha256", "teacher_sha256"):
            if (value := getattr(self, name)) and not re.fullmatch("[0-9a-f]{64}", value):
                raise UsageError(
                    f"{name} is {shown(value)}; it must be 64 hexadecimal digits, or empty"
                )
        chosen = self.augment_classes
        sound = all(type(k) is int and 0 <= k <= MOST for k in chosen)
        if not sound or len(set(chosen)) < len(chosen):
            raise UsageError(
                f"augment_classes is {shown(chosen)}; it must be different whole numbers from 0 on"
            )
        for name, why in _MUST_STAY.items():
            value = getattr(self, name)
            if value != getattr(type(self), name) and not self.applies(name):
                raise UsageError(f"{name} is {value}, but {why}")
        if timm_name(self.model) is not None and self.precision == "mixed":
            raise UsageError("precision is 'mixed'; for timm's networks it must be 'float32'")
        if self.teacher and self.outliers:
            raise UsageError(
                f"outliers is {self.outliers}, but a teacher would give images of no class a "
                "confident label; use either outliers or a teacher"
            )

    @property
    def starts_from_weights(self) -> bool:
        """Whether training starts from weights of before, and not from random ones."""
        return bool(self.init_from) or (timm_name(self.model) is not None and self.pretrained)

    def applies(self, name: str) -> bool:
        """Whether a field decides anything, by the values of those that it belongs to."""
        timm, schedule = timm_name(self.model) is not None, self.schedule
        own = own_network(self.model) is not None
        needs = {
            "width": own or self.model in NETWORKS,
            "blocks": own or self.model in ("resnet", "wide_resnet"),
            "model_sha256": own,
            "init_sha256": self.starts_from_weights,
            "freeze": self.starts_from_weights,
            "pretrained": timm and not self.init_from,
            "input_side": timm,
            "teacher_sha256": bool(self.teacher),
            "distill": bool(self.teacher),
            "beta2": self.optimizer in ("adam", "adamw", "muon"),
            "schedule_epochs": schedule in ("step", "plateau"),
            "schedule_factor": schedule in ("step", "plateau"),
            "warmup": schedule in ("one-cycle", "triangle"),
            "augment_classes": any(getattr(self, one) for one in OF_ONE_IMAGE),
        }
        return needs.get(name, True)

    def check_asked(self, names: Iterable[str], before: "Recipe") -> None:
        """Raise `UsageError` for a field that was asked to change and decides nothing here.

        Args:
            names: of the fields that somebody gave.
            before: the recipe without those.
        """
        for name in names:
            value = getattr(self, name)
            if value != getattr(before, name) and not self.applies(name):
                raise UsageError(f"{name} is {shown(value)}, but {self.why_no_use(name)}")

    def why_no_use(self, name: str) -> str:
        """Why a field decides nothing that does not apply; see `applies`."""
        return _NO_USE[name]

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

    def replace(self, /, **changes: Any) -> "Recipe":
        """Copy with some fields changed; raises `UsageError` for an unknown field or bad value."""
        known = [item.name for item in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                flags = {flag(item): item.name for item in dataclasses.fields(self)}
                meant = flags.get("--" + name.replace("_", "-"))
                hint = f" (the flag --{name} sets {meant!r})" if meant else nearest(name, known)
                raise UsageError(
                    f"a recipe has no {name!r}{hint}; see: fashion-cnn recipes {self.name}"
                )
        return dataclasses.replace(self, **changes)

    def changes_from(self, before: "Recipe") -> dict[str, Any]:
        """The fields in which this recipe differs from another."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != getattr(before, name)}

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
        # A field left at its default is left out: a run stays the same when recipes gain a field.
        fixed = self.changes_from(Recipe())
        for name in MAY_CHANGE:
            fixed.pop(name, None)
        if own := own_network(self.model):  # its code counts, not where that lies
            fixed["model"] = own[1]
        text = json.dumps([fixed, data], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read what `to_dict` wrote; a field that was not there yet has its default.

        Raises:
            UsageError: a key is unknown, or a value is out of its range.
        """
        if not isinstance(values, Mapping):
            raise UsageError(f"a recipe is an object of fields, not {shown(values)}")
        if "name" not in values:
            raise UsageError("the recipe lacks 'name'")
        # An older record may have fields that are gone; at these values they did nothing.
        gone = {"lookahead": 0, "start_side": 28, "mixup": 0.0, "randaugment": 0}
        for name in ("magnitude", "rho"):  # RandAugment's, RMSprop's
            gone[name] = values.get(name)
        changes = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name not in gone or value != gone[name]
        }
        return cls().replace(**changes)


PACKAGED = "pretrained"
"""As `Recipe.teacher`: the model that comes in the package."""

OF_ONE_IMAGE = ("flip", "translate", "rotate", "erase", "cutout")
"""The augmentations that `augment_classes` confines; mixing takes two images."""

_AT_RANDOM = (
    "training starts from random weights; it needs an init_from, or a pretrained network of timm's"
)
_MUST_STAY = {
    "model_sha256": "model is not FILE.py:NAME, a network of your own; leave it out",
    "init_sha256": _AT_RANDOM,
    "freeze": _AT_RANDOM,
    "pretrained": "it applies only to timm's networks without an init_from; leave it out",
    "teacher_sha256": "there is no teacher; name one with --teacher, or leave it out",
    "distill": "there is no teacher; name one with --teacher, or leave it out",
    "augment_classes": "there is nothing to apply to them; it must be empty, or come with one of "
    + ", ".join(OF_ONE_IMAGE),
}
"""Fields that must stay as they are where they decide nothing, and why they do not."""

_NO_USE = _MUST_STAY | {
    "width": "timm's networks have none to set; leave it out",
    "blocks": "only resnet, wide_resnet and networks of your own have blocks; leave it out",
    "input_side": "only timm's networks take images of another size; leave it out",
    "beta2": "only adam, adamw and muon have one; leave it out",
    "schedule_epochs": "only the schedules step and plateau have it; leave it out",
    "schedule_factor": "only the schedules step and plateau have it; leave it out",
    "warmup": "only the schedules one-cycle and triangle have one; leave it out",
}
"""All fields that may decide nothing; in a recipe they may stand, but nobody may ask for them."""

MAY_CHANGE = ("epochs", "early_stopping")
"""The fields that say when to stop: a resumed run may be given others."""


def train_command(recipe: str, changes: Mapping[str, Any]) -> list[str]:
    """The words after `fashion-cnn` that train a catalogue entry with some fields changed.

    Args: changes: of the recipe's fields, and perhaps "framework".
    """
    return [
        "train",
        recipe,
        *(word for name in changes for word in flag_words(name, changes[name])),
    ]


def flag_words(name: str, value: Any) -> list[str]:
    """The words of a command line that set field `name`, or "framework", to `value`."""
    if name == "framework":
        return ["--framework", value]
    item = next(item for item in dataclasses.fields(Recipe) if item.name == name)
    if isinstance(value, bool):
        return [flag(item) if value else flag(item).replace("--", "--no-", 1)]
    return [flag(item), ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
