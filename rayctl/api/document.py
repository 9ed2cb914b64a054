"""Kubernetes objects as plain documents.

A pod template is user data and must survive unread, so it stays a document; what we do read goes through
:class:`Reader`, which knows the path of the field it stands on and collects every error instead of stopping
at the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Document: TypeAlias = dict[str, Json]

MAX_COUNT = 100_000
"""More of anything that is counted is a slip of the pen: Kubernetes itself ends at some 150,000 pods."""

MAX_NUMBER = 10_000_000.0
"""More of a factor or of minutes counts as this: it is for ever, and can still be reckoned with."""

MAX_ERRORS = 50
"""Of one document: they go into a condition's message, which ends at 32 KiB."""

_MAX_SHOWN = 60
_MAX_STEP = 80
_MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: where (``spec.podTypes[1].minWorkers``), what, and how to mend it."""

    path: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.fix}"


class SpecError(ValueError):
    """A RayCluster that cannot be understood. Carries all its field errors, in the order of the document."""

    def __init__(self, fields: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(map(str, fields)))
        self.fields = fields


E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Reader:
    """A document or a part of one, with the path that leads to it and the errors found so far.

    Every method is total: a value of the wrong type is noted in ``errors`` and the default is returned.
    """

    value: Mapping[str, Json]
    path: str = ""
    errors: list[FieldError] = field(default_factory=list)

    def at(self, key: str) -> str:
        """Return the path of ``key`` below here."""
        step = _step(key)
        return f"{self.path}.{step}" if self.path else step

    def wrong(self, key: str, problem: str, fix: str) -> None:
        """Note an error of the field ``key``.

        The first of a field counts, as others follow from it. Beyond ``MAX_ERRORS`` it is told that there are
        more.
        """
        path = self.at(key)
        if len(self.errors) > MAX_ERRORS or any(error.path == path for error in self.errors):
            return
        error = FieldError(path, problem, fix)
        if len(self.errors) == MAX_ERRORS:
            error = FieldError("spec", f"more than {MAX_ERRORS} fields are wrong", "mend these first")
        self.errors.append(error)

    def text(self, key: str, default: str = "") -> str:
        """Return a string field."""
        value = self.value.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self.wrong(key, f"{_kind(value)} where a string is needed", "put it in quotes")
        return default

    def choice(self, key: str, default: E, kind: str) -> E:
        """Return one of the words of ``default``'s enumeration; each of them is a ``kind``."""
        words = type(default)
        text = self.text(key, default)
        try:
            return words(text)
        except ValueError:
            self.wrong(key, f"{shown(text)} is no {kind}", f"write one of {', '.join(words)}")
            return default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean field."""
        value = self.value.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        self.wrong(key, f"{_kind(value)} where true or false is needed", "write true or false")
        return default

    def count(self, key: str) -> int | None:
        """Return a whole number that is not negative, or None when the field is absent (or wrong)."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, f"{_kind(value)} where a whole number is needed", "write a number such as 2")
            return None
        if value < 0:
            self.wrong(key, f"{shown(value)} is negative", "write 0 or more")
            return None
        if value > MAX_COUNT:
            self.wrong(key, f"{shown(value)} is more than any cluster has", f"write {MAX_COUNT} or less")
            return None
        return value

    def number(self, key: str, default: float) -> float:
        """Return a number that is not negative, at most ``MAX_NUMBER``; a fraction is fine."""
        value = self.value.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(key, f"{_kind(value)} where a number is needed", "write a number such as 1.5")
            return default
        if not 0 <= value < float("inf"):
            self.wrong(key, f"{shown(value)} is not a number of 0 or more", "write 0 or more")
            return default
        return float(min(value, MAX_NUMBER))

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of strings, or None when the field is absent."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong(key, f"{_kind(value)} where a list of strings is needed", "begin each entry with '- '")
            return None
        out: list[str] = []
        for index, item in enumerate(value):
            if isinstance(item, str):
                out.append(item)
            else:
                self.wrong(f"{key}[{index}]", f"{_kind(item)} where a string is needed", "put it in quotes")
        return tuple(out)

    def strings(self, key: str) -> dict[str, str]:
        """Return a mapping of strings to strings, empty when absent."""
        inner = self.inner(key)
        return {name: inner.text(name) for name in inner.value}

    def mapping(self, key: str) -> Document:
        """Return a mapping as it stands, empty when absent."""
        value = self.value.get(key)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.wrong(key, f"{_kind(value)} where a mapping is needed", "indent its fields below it")
        return {}

    def inner(self, key: str) -> Reader:
        """Return a reader of the mapping ``key``; an empty one when absent."""
        return Reader(self.mapping(key), self.at(key), self.errors)

    def each(self, key: str) -> tuple[Reader, ...]:
        """Return a reader for each mapping of the list ``key``."""
        value = self.value.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.wrong(key, f"{_kind(value)} where a list is needed", "begin each entry with '- '")
            return ()
        readers = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                readers.append(Reader(item, self.at(f"{key}[{index}]"), self.errors))
            else:
                self.wrong(f"{key}[{index}]", f"{_kind(item)} where a mapping is needed", "indent its fields")
        return tuple(readers)


def shown(value: Json) -> str:
    """Return a value for a message: a short one as it is, a long one cut, a list or mapping by its kind."""
    match value:
        case str() if len(value) > _MAX_SHOWN:
            return f"{value[:_MAX_SHOWN]!r} …"
        case None | list() | dict():
            return _kind(value)
        case bool():
            return str(value).lower()
        case int() if abs(value) >= 10**18:
            return "a number of more than 18 digits"
        case _:
            return repr(value)


def is_deeper(value: Json, levels: int) -> bool:
    """Return whether mappings and lists stand in each other more than ``levels`` deep."""
    layer = [value]
    for _ in range(levels + 1):
        parts = [part for part in layer if isinstance(part, (dict, list))]
        if not parts:
            return False
        layer = [child for part in parts for child in (part.values() if isinstance(part, dict) else part)]
    return True


def find_deeper(value: Json, levels: int) -> str | None:
    """Return how the path to what is more than ``levels`` deep begins ('': all is); None where nothing is."""
    if not is_deeper(value, levels):
        return None
    path = ""
    for taken in range(min(_MAX_STEPS, levels)):
        below = (key for key, child in _children(value) if is_deeper(child, levels - taken - 1))
        key = next(below, None)
        if key is None:
            break
        path += f"[{key}]" if isinstance(key, int) else f".{_step(key)}"
        value = dict(_children(value))[key]
    return path.removeprefix(".")


def _children(value: Json) -> list[tuple[int | str, Json]]:
    match value:
        case dict():
            return list(value.items())
        case list():
            return list(enumerate(value))
        case _:
            return []


def _step(key: str) -> str:
    """Return a key as a part of a path: on one line, and of a length that can be read."""
    if len(key) <= _MAX_STEP and key.isprintable():
        return key
    text = key[:_MAX_STEP].encode("unicode_escape").decode()
    return text if len(key) <= _MAX_STEP else f"{text}…"


def _kind(value: Json) -> str:
    """Return the name of a value's type as the people who write YAML call it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a mapping"
