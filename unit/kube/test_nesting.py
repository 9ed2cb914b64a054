import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.kube.nesting import cut

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("1", "1", id="a scalar"),
        pytest.param('{"a": [1]}', '{"a": [1]}', id="what is not deeper stays as it is"),
        pytest.param('{"a": [[1], [2]], "b": 3}', '{"a": [null, null], "b": 3}', id="what is deeper is null"),
        pytest.param('{"a": [{"x": [1]}, 4]}', '{"a": [null, 4]}', id="with all that is in it"),
        pytest.param(r'{"a[[": "\"[[["}', r'{"a[[": "\"[[["}', id="brackets in strings are none"),
        pytest.param(r'["\\", [["]"]]]', r'["\\", [null]]', id="a string may end in a backslash"),
    ],
)
def test_below_two_levels_there_is_null(text: str, result: str) -> None:
    assert cut(text.encode(), 2).decode() == result


@given(JSON, st.integers(0, 4))
def test_what_is_cut_is_still_json_and_no_deeper(value: object, deepest: int) -> None:
    result = json.loads(cut(json.dumps(value).encode(), deepest))

    assert depth(result) <= deepest
    if depth(value) <= deepest:
        assert result == value


def depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


def test_a_hundred_thousand_levels_are_no_trouble() -> None:
    assert cut(b'{"a":' * 10**5 + b"1" + b"}" * 10**5, 2) == b'{"a":{"a":null}}'
