"""A network of somebody's own: the code that makes it, and whether this process may run it."""

import __future__

import ast
import builtins
import dataclasses
import dis
import hashlib
import inspect
import linecache
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_bytes
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.recipe import Recipe

MOST_CODE = 1 << 20
"""Bytes of a file of code."""

_SETTINGS = ("width", "blocks", "dropout")
"""The fields that a network of somebody's own gets if it takes a parameter of that name."""

_COUNTS = (2, 1, 5, 5)
"""Of images, on which a network is tried one after the other."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WRAPPED = "Exception encountered when calling"
"""How Keras begins what it says of an error in a layer; the error itself comes next."""

FAILURES = (Exception, SystemExit)
"""Of somebody's code: one that ends the process would end a command as if it were done."""


@dataclass(frozen=True)
class Source:
    """Python code that makes a network.

    Attributes:
        file: where it was found, for messages.
        name: of the class or function in it.
        code: UTF-8; what is hashed, run and kept in the run folder.
    """

    file: str
    name: str
    code: bytes

    @property
    def sha256(self) -> str:
        """Of the code."""
        return hashlib.sha256(self.code).hexdigest()

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a recipe that name this network."""
        return {"model": f"{self.file}:{self.name}", "model_sha256": self.sha256}

    def make(self, recipe: Recipe, classes: int) -> Any:
        """Run the code and call what it names.

        Args:
            recipe: its `width`, `blocks` and `dropout` are given to a network that takes them.
            classes: so many logits an image; given to a network that takes `classes` or
                `num_classes`.

        Raises:
            UsageError: the code fails, or has no such class or function; or the recipe sets a
                field that the network does not take.
        """
        module = ModuleType(f"own_network_{self.sha256[:16]}")
        module.__file__ = self.file
        text = self.code.decode(errors="replace")
        linecache.cache[self.file] = (len(text), None, text.splitlines(keepends=True), self.file)
        sys.modules[module.__name__] = module  # dataclasses and exporters look it up
        try:
            exec(compile(self.code, self.file, "exec"), module.__dict__)
            maker = getattr(module, self.name, None)
            if not callable(maker):
                raise UsageError(f"{self.file} has no class or function {self.name!r}")
            has_weights = hasattr(maker, "state_dict") or hasattr(maker, "get_weights")
            if has_weights and not isinstance(maker, type):
                raise UsageError(
                    f"{self.name} is a network; name a class or function that makes it"
                )
            taken = inspect.signature(maker).parameters
            settings = {"classes": classes, "num_classes": classes, **self._settings(recipe, taken)}
            return maker(**{name: value for name, value in settings.items() if name in taken})
        except UsageError:
            raise
        except FAILURES as error:
            raise UsageError(f"{self.name} cannot be made: {self.describe(error)}") from error

    def _settings(self, recipe: Recipe, taken: Container[str]) -> dict[str, Any]:
        named = catalog.begun_as(recipe)
        for name in _SETTINGS:
            if name not in taken and getattr(recipe, name) != getattr(named, name):
                raise UsageError(
                    f"{name} is {getattr(recipe, name)}, but {self.name} in {self.file} has no "
                    f"parameter {name!r}; give it one, or leave {name} out"
                )
        return {name: getattr(recipe, name) for name in _SETTINGS}

    def describe(self, error: BaseException) -> str:
        """Say what went wrong, and at which line of this code."""
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == self.file
        ]
        if isinstance(error, SyntaxError) and error.filename == self.file and error.lineno:
            lines = [error.lineno]
        where = f" ({self.file}, line {lines[-1]})" if lines else ""
        said = [line for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()] or [""]
        words = said[1] if len(said) > 1 and said[0].startswith(_WRAPPED) else said[0]
        return f"{type(error).__name__}: {words.strip()}{where}"


_ALLOWED: dict[str, Source] = {}
"""The code that this process may run, by its SHA-256: what a person has named, and nothing else."""


def allow(source: Source) -> dict[str, str]:
    """Let this process run some code; returns the fields of a recipe that name its network."""
    _ALLOWED[source.sha256] = source
    return source.fields


def allowed(recipe: Recipe) -> Source:
    """The code of a recipe's network.

    A file may have several networks: which one is meant, the recipe says.

    Raises:
        UsageError: nobody has allowed it in this process.
    """
    if recipe.model_sha256 not in _ALLOWED:
        raise UsageError(
            f"{recipe.model} is somebody's own network, and building it runs their code. If you "
            "trust that code, give it with --model FILE.py:NAME, or run the copy that the run "
            "keeps with --trust-code. (In Python, train and Run.open take model= and "
            "trust_code=True.)"
        )
    (_, name) = own_network(recipe.model) or ("", "")
    return dataclasses.replace(_ALLOWED[recipe.model_sha256], name=name)


def given(model: str | Callable[..., Any], sha256: str = "") -> dict[str, str]:
    """The fields of a recipe for a network that a person names, whose code may then be run.

    Args:
        model: a network's name as in `Recipe.model`, "FILE.py:NAME" among them; or a class or a
            function that makes a network.
        sha256: what the code must have; empty for any.

    Raises:
        UsageError: there is no such file, no code to be had of the class or function, or it is
            other code.
    """
    if isinstance(model, str) and not own_network(model):
        return {"model": model}
    source = _read(model) if isinstance(model, str) else _gathered(model)
    if sha256 not in ("", source.sha256):
        raise UsageError(
            f"{source.file} is not the code that model_sha256 names: its SHA-256 is "
            f"{source.sha256}, not {sha256}"
        )
    return allow(source)


def _read(model: str) -> Source:
    file, name = own_network(model) or ("", "")
    return Source(file, name, read_bytes(Path(file), UsageError, MOST_CODE))


def sample(*shape: int) -> NDArray[np.float32]:
    """Images of this shape that a network is tried on: as many as the largest of `_COUNTS`."""
    return np.random.default_rng(0).normal(size=(max(_COUNTS), *shape)).astype(np.float32)


def check_answers(
    answer: Callable[[NDArray[np.float32]], NDArray[np.generic]],
    images: NDArray[np.float32],
    classes: int,
    source: Source,
) -> None:
    """Raise `UsageError` unless a network gives logits, for an image always alike.

    Args:
        answer: the network's, in evaluation; raises `UsageError` where that is no array of numbers.
        images: `sample`.
    """
    answers = []
    for count in _COUNTS:
        try:
            answers.append(answer(images[:count]))
        except UsageError:
            raise
        except FAILURES as error:
            shape = ", ".join(map(str, images.shape[1:]))
            raise UsageError(
                f"{source.name} fails on a batch of {count}, float32 (N, {shape}) with any N: "
                f"{source.describe(error)}"
            ) from error
        _check_logits(answers[-1], count, classes, source)
    *_, before, last = answers
    if not near(before, last):
        raise UsageError(
            f"{source.name} gives the same images other answers each time, also in evaluation: is "
            "there dropout that is never off, or randomness, or a count of its calls?"
        )
    if not all(near(answer, last[: len(answer)]) for answer in answers):
        raise UsageError(
            f"the answer of {source.name} for an image depends on the other images of the batch, "
            "also in evaluation: is there a normalisation over the batch that keeps no statistics?"
        )


def _check_logits(logits: Any, images: int, classes: int, source: Source) -> None:
    if logits.shape != (images, classes):
        raise UsageError(
            f"{source.name} answers {images} images with an array of {logits.shape}; it must be "
            f"({images}, {classes}), a logit for each of the {classes} classes"
        )
    if not np.isfinite(logits).all():
        raise UsageError(f"{source.name} gives numbers that are not finite")
    with np.errstate(over="ignore"):
        of_logarithms = np.exp(logits)
    for what, shares in (("probabilities", logits), ("log-probabilities", of_logarithms)):
        if (shares >= 0).all() and np.abs(shares.sum(1) - 1).max() < 1e-4:
            raise UsageError(
                f"{source.name} gives {what}, as if its last layer were a softmax; leave that out: "
                "the loss and the calibration take logits"
            )


def answer_in_training(
    answer: Callable[[Any], Any], images: Any, classes: int, source: Source
) -> Any:
    """What a network answers images in training, which some do otherwise.

    Raises:
        UsageError: it fails, or that has not the shape of logits.
    """
    try:
        logits = answer(images)
    except FAILURES as error:
        raise UsageError(
            f"{source.name} fails in training, on a batch of {len(images)}: "
            f"{source.describe(error)}"
        ) from error
    found = getattr(logits, "shape", type(logits).__name__)
    if isinstance(found, str) or tuple(found) != (len(images), classes):
        raise UsageError(
            f"{source.name} gives {found} in training; it must be one tensor of logits there too"
        )
    return logits


def check_no_own_step(network: Any, names: Sequence[str], source: Source) -> None:
    """Raise `UsageError` if a network comes with a way to train that nothing here would call.

    Args: names: of the methods that would do it elsewhere.
    """
    for name in names:
        home = getattr(type(network), name, None)
        if home is not None and getattr(home, "__module__", "").partition(".")[0] != "keras":
            raise UsageError(
                f"{source.name} has a {name} of its own, which is not called here: the loss is the "
                "cross-entropy, and the recipe says how it learns (--optimizer, --lr, --schedule); "
                "leave it out"
            )


def near(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether two answers are the same but for rounding."""
    return bool(np.allclose(one, other, rtol=1e-2, atol=1e-2 * max(1e-6, np.abs(other).max())))


def _gathered(maker: Callable[..., Any]) -> Source:
    """The code of a class or function, with what it uses of its module: a notebook's too."""
    name = getattr(maker, "__name__", "")
    if not (inspect.isclass(maker) or inspect.isfunction(maker)) or not name.isidentifier():
        what = f"{maker!r:.80}" if isinstance(maker, int | float) else f"a {type(maker).__name__}"
        raise UsageError(
            f"model is {what}; it must be a name, FILE.py:NAME, or a class or function (def) that "
            "makes a network: MyNet, not MyNet(), as each run makes its own from its seed"
        )
    found = _Gathered()
    found.add(maker, name)
    code = found.text()
    if _around(maker).get("annotations") is __future__.annotations:
        code = f"from __future__ import annotations\n{code}"
    if len(code.encode()) > MOST_CODE:
        raise UsageError(f"the code of {name} has more than {MOST_CODE:,} bytes")
    return Source(f"{maker.__module__.replace('.', '/')}.py", name, code.encode())


class _Gathered:
    """Code that is collected with what it refers to, what is used before its user."""

    def __init__(self) -> None:
        self._imports: dict[str, str] = {}
        self._bodies: dict[str, str] = {}
        self._last: dict[str, str] = {}  # other names of what was begun and not done
        self._meant: dict[str, Any] = {}

    def text(self) -> str:
        """All of it."""
        imports = sorted(self._imports.values())
        return "\n".join([*imports, "", *self._bodies.values(), *self._last.values()])

    def add(self, item: Any, called: str) -> None:
        """Add the code of a class or function.

        Args: called: the name that it is used by; its own, if it has one, may be another.

        Raises:
            UsageError: the code cannot be read, or something that it uses cannot be kept.
        """
        self._meant[called] = item
        own = item.__name__
        if own.isidentifier() and own != called:
            if self._is_new(own, item):
                self.add(item, own)
            names = self._bodies if self._bodies[own] else self._last
            names[called] = f"{called} = {own}\n"
            return
        try:
            text = textwrap.dedent(_source_of(item))
            code = compile(text, "own network", "exec")
        except (OSError, TypeError, SyntaxError):
            raise UsageError(
                f"the code of {own} cannot be read here; write it into a file and give "
                f"model='FILE.py:{own}'"
            ) from None
        self._bodies[called] = ""  # begun; what it uses comes first
        around = _around(item)
        for function in _functions(item):
            around |= inspect.getclosurevars(function).nonlocals
        for name in sorted(_names(code) & around.keys()):
            if not _is_pythons(name, around) and self._is_new(name, around[name]):
                self._add_used(item, name, around[name])
        del self._bodies[called]
        self._bodies[called] = text

    def _is_new(self, name: str, value: Any) -> bool:
        """Whether nothing stands for a name yet; raises `UsageError` if something else does."""
        if name not in self._meant:
            return True
        meant = self._meant[name]
        if meant is not value and not (
            _is_literal(meant) and _is_literal(value) and meant == value
        ):
            raise UsageError(
                f"two things called {name} stand around the network, and one would be kept for "
                "both; name one otherwise, or write the network into a file and give "
                "model='FILE.py:NAME'"
            )
        return False

    def _add_used(self, item: Any, name: str, value: Any) -> None:
        self._meant[name] = value
        if isinstance(value, ModuleType):
            self._imports[name] = f"import {value.__name__} as {name}"
        elif _is_literal(value):
            self._bodies[name] = f"{name} = {value!r}\n"
        elif origin := _origin(name, value, item.__module__):
            self._imports[name] = f"from {value.__module__} import {origin} as {name}"
        elif inspect.isclass(value) or (callable(value) and hasattr(value, "__name__")):
            self.add(value, name)
        else:
            raise UsageError(
                f"{item.__name__} uses {name}, which is a {type(value).__name__}: of what stands "
                "around a network only code, modules and plain values can be kept with it; make "
                "it inside, or write the network into a file and give model='FILE.py:NAME'"
            )


def _functions(item: Any) -> list[FunctionType]:
    """A class's own, or the function itself."""
    members = vars(item).values() if inspect.isclass(item) else [item]
    return list(filter(inspect.isfunction, members))


def _around(item: Any) -> dict[str, Any]:
    """What stands around a class or function, also in a module that was loaded by hand."""
    if module := sys.modules.get(item.__module__):
        return dict(vars(module))
    return next((dict(one.__globals__) for one in _functions(item)), {})


def _is_pythons(name: str, around: Mapping[str, Any]) -> bool:
    """Whether a name means the same without what stands around; IPython puts its `open` there."""
    if name.startswith("__") and name.endswith("__"):
        return True
    value = around[name]
    home = str(getattr(value, "__module__", "")).partition(".")[0]
    return hasattr(builtins, name) and (value is getattr(builtins, name) or home == "IPython")


def _is_literal(value: Any) -> bool:
    """Whether what a value is written as gives it back."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def _origin(name: str, value: Any, module: str) -> str:
    """What a value is called in the module that it comes from; "" if that is this one, or none."""
    home = getattr(value, "__module__", None) or module
    if home == module:
        return ""
    names = (getattr(value, "__qualname__", name), getattr(value, "__name__", name), name)
    return next((one for one in names if getattr(sys.modules.get(home), one, None) is value), "")


def _source_of(item: Any) -> str:
    """As `inspect.getsource`, also of a class of a notebook's cell, which that does not find."""
    try:
        return inspect.getsource(item)
    except (OSError, TypeError):
        files = [one.__code__.co_filename for one in _functions(item)]
        if not hasattr(sys.modules.get(item.__module__), "__file__"):  # a dataclass has none
            files += (one for one in reversed(linecache.cache) if not os.path.exists(one))
        for file in files:
            lines = linecache.getlines(file)
            found = [
                node
                for node in ast.walk(ast.parse("".join(lines)))
                if isinstance(node, ast.ClassDef) and node.name == item.__name__
            ]
            if found:
                begin = min(node.lineno for node in (found[-1], *found[-1].decorator_list))
                return "".join(lines[begin - 1 : found[-1].end_lineno])
        raise


def _names(code: Any) -> set[str]:
    """Every global name that compiled code refers to, also inside its functions and classes."""
    inner = (part for part in code.co_consts if hasattr(part, "co_names"))
    own = {
        one.argval
        for one in dis.get_instructions(code)
        if "GLOBAL" in one.opname or one.opname == "LOAD_NAME"  # an attribute's name is none
    }
    return own.union(*map(_names, inner))
