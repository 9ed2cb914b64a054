from typing import Any

import pytest

from rayctl.api.document import (
    MAX_ERRORS,
    MAX_NUMBER,
    FieldError,
    Reader,
    SpecError,
    find_deeper,
    is_deeper,
    shown,
)


def told(reader: Reader) -> list[str]:
    return [f"{error.path}: {error.problem}" for error in reader.errors]


@pytest.mark.parametrize(
    ("method", "value", "result"),
    [
        pytest.param("text", "a", "a", id="a string"),
        pytest.param("count", 3, 3, id="a whole number"),
        pytest.param("count", 3.0, 3, id="a whole number as YAML may have it"),
        pytest.param("flag", True, True, id="a boolean"),
        pytest.param("texts", ["a", "b"], ("a", "b"), id="strings"),
        pytest.param("texts", [], (), id="no strings"),
        pytest.param("strings", {"a": "b"}, {"a": "b"}, id="a mapping of strings"),
        pytest.param("mapping", {"a": [1]}, {"a": [1]}, id="a mapping"),
    ],
)
def test_a_field_of_the_right_kind_is_read(method: str, value: Any, result: Any) -> None:
    reader = Reader({"field": value})

    assert getattr(reader, method)("field") == result
    assert reader.errors == []


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("text", ""),
        ("count", None),
        ("flag", False),
        ("texts", None),
        ("strings", {}),
        ("mapping", {}),
        ("each", ()),
    ],
)
@pytest.mark.parametrize("document", [{}, {"field": None}], ids=["absent", "null"])
def test_an_absent_field_is_no_error(document: dict[str, Any], method: str, result: Any) -> None:
    reader = Reader(document)

    assert getattr(reader, method)("field") == result
    assert reader.errors == []


@pytest.mark.parametrize(
    ("method", "value", "problem"),
    [
        ("text", 1, "a number where a string is needed"),
        ("flag", "true", "a string where true or false is needed"),
        ("count", "3", "a string where a whole number is needed"),
        ("count", True, "true or false where a whole number is needed"),
        ("count", 1.5, "a number where a whole number is needed"),
        ("count", -1, "-1 is negative"),
        ("texts", "a", "a string where a list of strings is needed"),
        ("mapping", [], "a list where a mapping is needed"),
        ("each", {}, "a mapping where a list is needed"),
    ],
)
def test_a_field_of_the_wrong_kind_is_told_with_its_path(method: str, value: Any, problem: str) -> None:
    reader = Reader({"field": value}, "spec.x")

    getattr(reader, method)("field")

    assert told(reader) == [f"spec.x.field: {problem}"]


@pytest.mark.parametrize(
    ("value", "result"),
    [(2, 2.0), (0.5, 0.5), (0, 0.0), (None, 7.0), (1e308, MAX_NUMBER), (10**400, MAX_NUMBER)],
)
def test_a_number_may_have_a_fraction(value: Any, result: float) -> None:
    assert Reader({"field": value}).number("field", 7.0) == result


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", True])
def test_what_is_no_number_counts_as_the_default(value: Any) -> None:
    reader = Reader({"field": value})

    assert reader.number("field", 7.0) == 7.0
    assert len(reader.errors) == 1


def test_readers_of_parts_know_their_path_and_share_the_errors() -> None:
    reader = Reader({"list": [{"inner": {"field": 1}}, "no mapping"]})

    (first,) = reader.each("list")
    first.inner("inner").text("field")

    assert told(reader) == [
        "list[1]: a string where a mapping is needed",
        "list[0].inner.field: a number where a string is needed",
    ]


def test_a_spec_error_tells_all_its_fields() -> None:
    error = SpecError((FieldError("a", "is wrong", "mend it"), FieldError("b", "too", "likewise")))

    assert str(error) == "a: is wrong; mend it; b: too; likewise"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("a\nb", r"'a\nb'", id="on one line"),
        pytest.param("x" * 61, f"'{'x' * 60}' …", id="a long text is cut"),
        pytest.param(2.5, "2.5", id="a number"),
        pytest.param(10**5000, "a number of more than 18 digits", id="a number that Python does not write"),
        pytest.param(True, "true", id="as YAML has it"),
        pytest.param(None, "nothing", id="nothing"),
        pytest.param([[1]], "a list", id="a list by its kind"),
        pytest.param({"a": 1}, "a mapping", id="a mapping by its kind"),
    ],
)
def test_a_value_is_shown_so_that_it_can_be_read(value: Any, text: str) -> None:
    assert shown(value) == text


def test_a_path_stays_on_one_line_and_short() -> None:
    reader = Reader({}, "spec")

    reader.wrong("a\nb" + "x" * 10**6, "is wrong", "mend it")

    (error,) = reader.errors
    assert error.path == "spec.a\\nb" + "x" * 77 + "…"


def test_of_a_fields_errors_the_first_is_told() -> None:
    reader = Reader({"field": 1})

    reader.text("field")
    reader.wrong("field", "there is none", "give it one")

    assert told(reader) == ["field: a number where a string is needed"]


def test_of_very_many_errors_the_first_are_told_and_that_there_are_more() -> None:
    reader = Reader({"list": [1] * 10**4})

    reader.texts("list")

    assert len(reader.errors) == MAX_ERRORS + 1
    assert told(reader)[0] == "list[0]: a number where a string is needed"
    assert told(reader)[-1] == "spec: more than 50 fields are wrong"
    assert len(str(SpecError(tuple(reader.errors)))) < 2**15


def nested(levels: int) -> Any:
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"a": value, "b": 2}
    return value


@pytest.mark.parametrize(
    ("value", "levels", "deeper"),
    [
        pytest.param(1, 0, False, id="no level at all"),
        pytest.param({}, 0, True, id="an empty mapping is a level"),
        pytest.param(nested(5), 5, False, id="as many as may be"),
        pytest.param(nested(6), 5, True, id="one more"),
        pytest.param(nested(10**5), 50, True, id="more than Python can recurse"),
    ],
)
def test_depth_is_told_without_going_down_it(value: Any, levels: int, deeper: bool) -> None:
    assert is_deeper(value, levels) is deeper


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param({"a": [1]}, None, id="nothing is too deep"),
        pytest.param({"a": [1], "b": [1, {"c": [1]}]}, "b[1]", id="a path to it"),
        pytest.param(nested(10**5), "[0].a", id="in what is deeper than Python can recurse"),
        pytest.param({"a\nb": [[1]]}, "a\\nb[0]", id="on one line"),
    ],
)
def test_what_is_too_deep_is_found(value: Any, path: str | None) -> None:
    assert find_deeper(value, 2) == path
