"""Values of JSON into dataclasses: every one of the right type, finite and within its range."""

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from fashion_cnn.recipes.fields import MOST

Decoded = TypeVar("Decoded")


@dataclass(frozen=True)
class Within:
    """The range of a number, its ends included."""

    low: float
    high: float


Share = Annotated[float, Within(0.0, 1.0)]
Positive = Annotated[float, Within(0.0, math.inf)]
Count = Annotated[int, Within(0, MOST)]


def decode(kind: type[Decoded], value: Any) -> Decoded:
    """Turn what JSON holds into a dataclass and all that is in it, by the types of its fields.

    Keys that are no fields are passed over; a field with a default may be missing.

    Raises:
        ValueError: it is something else; the message says where.
    """
    return _decode(kind, value, "")


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        found = _decode(of[0], value, where)
        if of[1].low <= found <= of[1].high:
            return found
    elif origin in (Union, types.UnionType):  # of something and None
        kind = next(one for one in of if one is not types.NoneType)
        return None if value is None else _decode(kind, value, where)
    elif origin is tuple and isinstance(value, list):
        kinds = of[:1] * len(value) if of[1:] == (...,) else of
        if len(kinds) == len(value):
            return tuple(_decode(one, item, where) for one, item in zip(kinds, value, strict=True))
    elif origin is Mapping and isinstance(value, dict):
        return {name: _decode(of[1], item, f"{where}{name}.") for name, item in value.items()}
    elif dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _decode_fields(kind, value, where)
    elif type(value) is int and kind in (int, float):
        if abs(value) <= MOST:
            return value
    elif type(value) is kind and (kind is not float or math.isfinite(value)):
        return value
    raise _other(value, where)


def _decode_fields(kind: Any, value: dict[str, Any], where: str) -> Any:
    fields = dataclasses.fields(kind)
    needed = {
        item.name
        for item in fields
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    }
    if lacking := sorted(needed - value.keys()):
        raise ValueError(f"it lacks {where}{lacking[0]}")
    given = [item for item in fields if item.name in value]
    return kind(**{i.name: _decode(i.type, value[i.name], f"{where}{i.name}.") for i in given})


def _other(value: Any, where: str) -> ValueError:
    return ValueError(f"{where[:-1] or 'it'} is {value!r:.40}")
