"""From the dataclasses of rayctl.api to the schema of the CRD.

The types give each field's kind, whether it is required, and its default. What a type cannot say (the name in
YAML, the words for people, limits) is in tables of :class:`Field`. A dataclass attribute that no table names,
or a table that names an attribute which is gone, is an error: the two cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from inspect import cleandoc
from typing import Any, Union, get_args, get_origin, get_type_hints

from rayctl.api.document import MAX_COUNT, Document, Json
from rayctl.api.names import TypeName

LABEL_LENGTH = 63
"""Most characters of a label's value, and of a DNS label."""

_SCALARS: Mapping[Any, tuple[Document, Document]] = {
    bool: ({"type": "boolean"}, {}),
    int: ({"type": "integer"}, {"minimum": 0, "maximum": MAX_COUNT}),
    float: ({"type": "number"}, {"minimum": 0}),
    datetime: ({"type": "string", "format": "date-time"}, {}),
    str: ({"type": "string"}, {}),
}
"""Schema of each, and what a user's value is held to beyond it."""


class Side(Enum):
    """Who writes an object: users, who are told of mistakes; the operator, whose report is never refused."""

    SPEC = "spec"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in CEL: what must hold, and what is said when it does not.

    ``says`` is a CEL expression for a message that needs values; ``message`` is then its fallback. ``at`` is
    the field that the error names, from the rule's object on: ``.headPodType``.
    """

    holds: str
    message: str
    at: str = ""
    says: str = ""
    on_create_only: bool = False

    def document(self) -> Document:
        """Return the entry of ``x-kubernetes-validations``."""
        entry: Document = {"rule": self.holds, "message": self.message}
        if self.on_create_only:
            entry |= {"rule": f"oldSelf.hasValue() || {self.holds}", "optionalOldSelf": True}
        if self.says:
            entry["messageExpression"] = self.says
        if self.at:
            entry["fieldPath"] = self.at
        return entry


@dataclass(frozen=True, slots=True)
class Field:
    """A field as people know it.

    ``source`` is the attribute that holds it; None for a string which no attribute holds.
    ``limits`` is laid over the schema that the attribute's type gives.
    """

    name: str
    source: str | None
    text: str
    limits: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a dataclass is written in YAML. ``elsewhere``: attributes that are not this object's (metadata)."""

    record: type[Any]
    side: Side
    fields: tuple[Field, ...]
    elsewhere: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    limits: Mapping[str, Json] = dataclasses.field(default_factory=dict)


def object_schema(shape: Shape, shapes: Mapping[type[Any], Shape]) -> Document:
    """Return the schema of an object, and of all below it.

    Raises:
        ValueError: the table and the dataclass do not name the same attributes.
    """
    attributes = {attribute.name: attribute for attribute in dataclasses.fields(shape.record)}
    named = {entry.source for entry in shape.fields if entry.source is not None} | shape.elsewhere
    if odd := named ^ attributes.keys():
        raise ValueError(
            f"{shape.record.__name__} and its table of fields differ in {', '.join(sorted(odd))}"
        )
    hints = get_type_hints(shape.record)
    properties: Document = {}
    required: list[Json] = []
    for entry in shape.fields:
        default: object = None
        kind: Document = {"type": "string"}
        if entry.source is not None:
            kind = _kind(hints[entry.source], shape.side, shapes)
            attribute = attributes[entry.source]
            default = attribute.default
            if _needed(attribute) and shape.side is Side.SPEC:
                required.append(entry.name)
        shown = default if shape.side is Side.SPEC else None
        properties[entry.name] = _described(entry.text, shown) | kind | dict(entry.limits) | _cel(entry.rules)
    head: Document = {"type": "object", **shape.limits} | ({"required": required} if required else {})
    return head | _cel(shape.rules) | {"properties": properties}


def words(text: str) -> str:
    """Return a text of the source with its lines joined; an empty line stays a break."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in cleandoc(text).split("\n\n"))


def _needed(attribute: dataclasses.Field[Any]) -> bool:
    return attribute.default is dataclasses.MISSING and attribute.default_factory is dataclasses.MISSING


def _described(text: str, default: object) -> Document:
    shown = ""
    match default:
        case bool() | "":
            pass
        case int() | float():
            shown = f" Default: {default:g}."
        case str():
            shown = f" Default: {default}."
    return {"description": words(text) + shown}


def _cel(rules: tuple[Rule, ...]) -> Document:
    return {"x-kubernetes-validations": [rule.document() for rule in rules]} if rules else {}


def _kind(hint: Any, side: Side, shapes: Mapping[type[Any], Shape]) -> Document:
    """Return the bare schema of a type."""
    if hint in shapes:
        return object_schema(shapes[hint], shapes)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return _union([argument for argument in arguments if argument is not type(None)], side, shapes)
    if origin is tuple:
        return {"type": "array", "items": _kind(arguments[0], side, shapes)}
    if origin in {dict, Mapping}:
        return {"type": "object"}
    return _scalar(hint, side)


def _union(members: list[Any], side: Side, shapes: Mapping[type[Any], Shape]) -> Document:
    if len(members) == 1:
        return _kind(members[0], side, shapes)
    if set(members) == {int, str}:
        return {"x-kubernetes-int-or-string": True}
    raise ValueError(f"no schema for the union of {members}")


def _scalar(hint: Any, side: Side) -> Document:
    kind, limits = _scalar_and_limits(hint)
    return kind | limits if side is Side.SPEC else kind


def _scalar_and_limits(hint: Any) -> tuple[Document, Document]:
    if hint is TypeName:
        return {"type": "string"}, {"maxLength": LABEL_LENGTH}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"type": "string"}, {"enum": [str(member) for member in hint]}
    if hint not in _SCALARS:
        raise ValueError(f"no schema for {hint}")
    return _SCALARS[hint]
