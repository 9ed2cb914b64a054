"""Schemas come from types; a table that does not fit its type is an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest

from crd.schema import Field, Rule, Shape, Side, object_schema, words
from rayctl.api.names import TypeName


class Colour(StrEnum):
    RED = "Red"
    BLUE = "Blue"


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    name: TypeName
    inner: tuple[Inner, ...]
    ratio: float = 1.5
    several: tuple[str, ...] | None = None
    flag: bool = False
    when: datetime | None = None
    either: int | str = 0
    amounts: Mapping[str, int] | None = None
    colour: Colour = Colour.BLUE
    notes: Mapping[str, str] = field(default_factory=dict)


def fields(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, name, "Words.") for name in names)


def outer(side: Side, *names: str) -> dict[str, Any]:
    shown = names or tuple(Outer.__dataclass_fields__)
    inner = Shape(Inner, side, fields("size"))
    return dict(object_schema(Shape(Outer, side, fields(*shown)), {Inner: inner}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("name", {"type": "string", "maxLength": 63}, id="a type's name is a label"),
        pytest.param("ratio", {"type": "number", "minimum": 0}, id="a fraction"),
        pytest.param("several", {"type": "array", "items": {"type": "string"}}, id="an optional list"),
        pytest.param("flag", {"type": "boolean"}, id="yes or no"),
        pytest.param("when", {"type": "string", "format": "date-time"}, id="a time"),
        pytest.param("either", {"x-kubernetes-int-or-string": True}, id="a number or a name"),
        pytest.param("amounts", {"type": "object"}, id="a map"),
        pytest.param("colour", {"type": "string", "enum": ["Red", "Blue"]}, id="one of several words"),
    ],
)
def test_a_users_field_has_the_schema_of_its_type(name: str, expected: dict[str, Any]) -> None:
    found = outer(Side.SPEC)["properties"][name]

    assert {key: value for key, value in found.items() if key != "description"} == expected


def test_a_record_in_a_list_is_described_whole() -> None:
    inner = outer(Side.SPEC)["properties"]["inner"]["items"]

    assert inner["required"] == ["size"]
    size = {"description": "Words.", "type": "integer", "minimum": 0, "maximum": 100_000}
    assert inner["properties"]["size"] == size


def test_a_report_has_no_limits_and_requires_nothing() -> None:
    report = outer(Side.STATUS)

    assert "required" not in report
    assert report["properties"]["ratio"] == {"description": "Words.", "type": "number"}
    assert report["properties"]["name"] == {"description": "Words.", "type": "string"}
    assert report["properties"]["colour"] == {"description": "Words.", "type": "string"}


def test_what_has_no_default_is_required() -> None:
    assert outer(Side.SPEC)["required"] == ["name", "inner"]


def test_a_number_or_word_that_is_a_default_is_told() -> None:
    properties = outer(Side.SPEC)["properties"]

    assert properties["ratio"]["description"] == "Words. Default: 1.5."
    assert properties["colour"]["description"] == "Words. Default: Blue."
    assert properties["flag"]["description"] == "Words."


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        pytest.param(("size", "gone"), "gone", id="the table has more than the type"),
        pytest.param((), "size", id="the type has more than the table"),
    ],
)
def test_a_table_that_is_not_the_types_is_an_error(names: tuple[str, ...], odd: str) -> None:
    with pytest.raises(ValueError, match=f"Inner and its table of fields differ in {odd}"):
        object_schema(Shape(Inner, Side.SPEC, fields(*names)), {})


def test_a_rule_says_what_when_and_where() -> None:
    rule = Rule("self > 0", "too small", at=".size", says="'too ' + 'small'", on_create_only=True)

    assert rule.document() == {
        "rule": "oldSelf.hasValue() || self > 0",
        "optionalOldSelf": True,
        "message": "too small",
        "messageExpression": "'too ' + 'small'",
        "fieldPath": ".size",
    }


def test_texts_lose_their_line_breaks_and_keep_their_paragraphs() -> None:
    assert words("one\n    two\n\n    three") == "one two\nthree"
