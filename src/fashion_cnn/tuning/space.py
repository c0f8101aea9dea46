"""What a search varies: a range or a list of choices for each of some fields of the recipe."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import check_folder_name, flag, nearest
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.recipe import Recipe, train_command

_FIELDS = {item.name: item for item in dataclasses.fields(Recipe)}
_SWITCH = {"on": True, "true": True, "off": False, "false": False}
CHOICES = {
    "objective": ("accuracy", "loss"),
    "sampler": ("tpe", "random"),
    "pruner": ("median", "hyperband", "none"),
}
"""What `Search` allows of each; the first is its default."""

_MOST_STEPS = 1_000_000  # Optuna counts them exactly, and a sampler lists them

_FIXED = {
    "name": "a recipe's name decides nothing",
    "seed": "the best of several seeds is luck; give one with --seed",
    "validation": "trials must be measured on the same images",
}


@dataclass(frozen=True)
class Dimension:
    """One field, and the values that it may take.

    Attributes:
        field: of `Recipe`.
        choices: the values, two or more; or none for a range.
        low, high: the ends of the range, both included; whole numbers where the field's are.
        log: draw evenly over the logarithm.
        step: distance of neighbouring values of the range; 0 = whatever the field allows.
    """

    field: str
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False
    step: float = 0

    def suggest(self, trial: Any) -> Any:
        """Let an `optuna.Trial` choose a value."""
        if self.choices:
            return trial.suggest_categorical(self.field, self.choices)
        if type(_FIELDS[self.field].default) is int:
            step = self.step or 1
            return trial.suggest_int(self.field, self.low, self.high, step=step, log=self.log)
        step = self.step or None
        return trial.suggest_float(self.field, self.low, self.high, step=step, log=self.log)

    def __str__(self) -> str:
        """As it is typed."""
        if self.choices:
            return f"{self.field}={','.join(map(typed, self.choices))}"
        end = ":log" if self.log else f":{self.step:g}" if self.step else ""
        return f"{self.field}={self.low!r}:{self.high!r}{end}"


def typed(value: Any) -> str:
    """A value of a field as it is typed, with all of its digits."""
    if isinstance(value, bool):
        return "on" if value else "off"
    short = f"{value:g}" if isinstance(value, float) else ""
    return short if short and float(short) == value else str(value)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to look for.

    Attributes:
        name: of the study in the storage; workers on one study share it.
        recipe: what the trials begin as.
        given: the fields in which it differs from the catalogue's.
        space: what is varied.
        objective: "accuracy", to be high, or "loss", to be low: of the validation images, with
            the checkpoint that the recipe answers with.
        trials: how many the study is to have, pruned ones included.
        sampler, pruner: see `choosing`.
        framework: what trains; None for `train`'s default.
        data_sha256: of the files of the data set; empty for any.

    Raises:
        UsageError: `objective`, `sampler` or `pruner` is none of `CHOICES`, `trials` is below 1,
            or no folder can have the name.
    """

    name: str
    recipe: Recipe
    given: Mapping[str, Any]
    space: tuple[Dimension, ...]
    objective: str = "accuracy"
    trials: int = 40
    sampler: str = "tpe"
    pruner: str = "median"
    framework: str | None = None
    data_sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise UsageError(f"{name} is {value!r}; it must be one of: {', '.join(allowed)}")
        if type(self.trials) is not int or self.trials < 1:
            raise UsageError(
                f"trials is {self.trials!r:.60}; it must be a whole number of at least 1"
            )
        if not isinstance(self.name, str):
            raise UsageError(f"name is {self.name!r:.60}; it must be a string")
        check_folder_name("the search's name (--name)", self.name)

    def command(self, params: Mapping[str, Any]) -> list[str]:
        """The words after `fashion-cnn` that train one point of the space."""
        framework = {"framework": self.framework} if self.framework else {}
        recipe = self.recipe.replace(**params)
        asked = {**self.given, **params}
        used = {name: value for name, value in asked.items() if recipe.applies(name)}
        return train_command(self.recipe.name, {**framework, **used})


def begun_from(
    recipe: str | os.PathLike[str] | Recipe, settings: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any]]:
    """What trials begin as, and the fields that their commands set.

    Those are `settings`, and what a file, or a recipe made in Python, says otherwise than the one
    of its name.

    Raises:
        UsageError: as `open_recipe`; or its network is somebody's own, and nobody has allowed it.
    """
    from fashion_cnn.recipes.own_network import allowed
    from fashion_cnn.run.recipe_file import open_recipe

    chosen = open_recipe(recipe).replace(**settings)
    if own_network(chosen.model):  # its trials would take it for what a person names
        allowed(chosen)
    return chosen, {**settings, **chosen.changes_from(catalog.named(chosen.name))}


def parse_space(
    words: Sequence[str], recipe: Recipe, given: Mapping[str, Any]
) -> tuple[Dimension, ...]:
    """Read a search space: `FIELD=LOW:HIGH`, `…:log`, `…:STEP`, or `FIELD=A,B,C`.

    Args:
        words: one a field, which has the name of its flag or of the recipe's field.
        recipe: what the trials begin as; each value must be one that it may have.
        given: the fields that the command line sets.

    Raises:
        UsageError: a word is not of this form, names no field, or a value is out of its range.
    """
    if not words:
        raise UsageError("say what to search, for instance --search lr=1e-4:1e-1:log flip=on,off")
    space = tuple(_parse(word, recipe) for word in words)
    for place, dimension in enumerate(space):
        if dimension.field in [earlier.field for earlier in space[:place]]:
            raise UsageError(f"{dimension.field} is searched twice; give its values once")
        if dimension.field in given:
            raise UsageError(f"{dimension.field} is both set and searched; do only one of them")
        ends = dimension.choices or (dimension.low, dimension.high)
        for value in ends:
            if not recipe.replace(**{dimension.field: value}).epochs:
                raise UsageError("epochs is 0; a search needs at least 1")
    for dimension in space:
        if not _may_decide(dimension.field, space, recipe):
            why = recipe.why_no_use(dimension.field)
            raise UsageError(f"{dimension.field} is searched, but {why}")
    idle = [name for name in given if not _may_decide(name, space, recipe)]
    recipe.check_asked(idle, catalog.named(recipe.name))
    return space


def _may_decide(field: str, space: Sequence[Dimension], recipe: Recipe) -> bool:
    """Whether a field decides anything in what trials begin as, or with a value of another."""
    others = ({one.field: value} for one in space for value in one.choices)
    return any(recipe.replace(**change).applies(field) for change in ({}, *others))


def _parse(word: str, recipe: Recipe) -> Dimension:
    name, equals, text = word.partition("=")
    if not equals or not text:
        raise UsageError(
            f"{word!r} gives no values to search; write FIELD=LOW:HIGH[:log] or FIELD=A,B,C"
        )
    field = _field(name, recipe)
    if field in _FIXED:
        raise UsageError(f"{field} cannot be searched: {_FIXED[field]}")
    if isinstance(_FIELDS[field].default, tuple):
        raise UsageError(f"{field} is a list; a search varies single values")
    # A network of timm's, or a path, may hold a colon.
    if ":" not in text or ("," in text and type(_FIELDS[field].default) is str):
        choices = tuple(_value(field, part) for part in text.split(","))
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise UsageError(
                f"{word!r} needs two or more different values; a single one is given with "
                f"{flag(_FIELDS[field])}"
            )
        return Dimension(field, choices)
    if type(_FIELDS[field].default) not in (int, float):
        raise UsageError(f"{field} has no order; give its values as {field}=A,B,C")
    low, high, *rest = text.split(":")
    if len(rest) > 1:
        raise UsageError(f"{word!r} has too many parts; give {name}=LOW:HIGH[:log] or :STEP")
    log = rest == ["log"]
    step = _value(field, rest[0]) if rest and not log else 0
    found = Dimension(field, (), _value(field, low), _value(field, high), log, step)
    if not found.low < found.high:
        raise UsageError(f"{word!r} must have a low end below its high end")
    if log and found.low <= 0:
        raise UsageError(f"{word!r}: on a logarithmic scale the low end must be above 0")
    if rest and not log and not (0 < step <= found.high - found.low <= step * _MOST_STEPS):
        raise UsageError(
            f"{word!r}: the step must be above 0 and fit into the range, at most {_MOST_STEPS:,} "
            "times"
        )
    return found


def _field(name: str, recipe: Recipe) -> str:
    """The field that a flag's name or its own stands for."""
    known = {flag(item)[2:].replace("-", "_"): item.name for item in _FIELDS.values()}
    known |= {name: name for name in _FIELDS}
    word = name.removeprefix("--").replace("-", "_")
    if word not in known:
        raise UsageError(
            f"a recipe has no {name!r}{nearest(word, list(known))}; see: fashion-cnn recipes "
            f"{recipe.name}"
        )
    return known[word]


def _value(field: str, text: str) -> Any:
    """Read a value of a field; whether it is in range is the recipe's to say."""
    kind: Any = type(_FIELDS[field].default)
    try:
        value = _SWITCH[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        wanted = {bool: "on or off", int: "a whole number", float: "a number"}[kind]
        raise UsageError(f"{field}: {text!r} is not {wanted}") from None
    if kind is float and not math.isfinite(value):
        raise UsageError(f"{field}: {text!r} is not a finite number")
    return value
