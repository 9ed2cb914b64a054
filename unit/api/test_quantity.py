import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.document import Json, shown
from rayctl.api.quantity import MAX_AMOUNT, parse_amount, parse_quantity


@pytest.mark.parametrize(
    ("value", "worth"),
    [
        ("0", 0),
        ("1", 1),
        ("500m", Fraction(1, 2)),
        ("1500m", Fraction(3, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("+3", 3),
        ("-2", -2),
        ("100n", Fraction(1, 10**7)),
        ("3u", Fraction(3, 10**6)),
        ("2k", 2000),
        ("1M", 10**6),
        ("1G", 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("512Mi", 512 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("1Ki", 1024),
        ("2Ti", 2**41),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-1", Fraction(6, 5)),
        (2, 2),
        pytest.param(0.5, Fraction(1, 2), id="a number in YAML"),
        pytest.param(0.1, Fraction(1, 10), id="a number that no float holds"),
    ],
)
def test_a_quantity_is_worth(value: Json, worth: Fraction) -> None:
    assert parse_quantity(value) == worth


@pytest.mark.parametrize(
    "value",
    [
        *("", "m", "1 Gi", " 1", "1gi", "1K", "0x10", "1_000", "one", "1e", "1e999", "\u0661", "1Gi\n", "."),
        *(True, None, [], {}, float("nan"), float("inf")),
    ],
)
def test_what_is_no_quantity_is_refused_and_repeated(value: Json) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as") as caught:
        parse_quantity(value)

    assert str(caught.value).startswith(shown(value))


@given(st.integers(-(10**18), 10**18), st.sampled_from([("", 1), ("k", 1000), ("Mi", 2**20), ("E", 10**18)]))
def test_a_whole_number_with_a_unit_round_trips(number: int, unit: tuple[str, int]) -> None:
    assert parse_quantity(f"{number}{unit[0]}") == number * unit[1]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_a_decimal_fraction_round_trips(number: object) -> None:
    assert parse_quantity(f"{number:f}") == Fraction(str(number))


@given(st.text(max_size=12))
def test_any_text_is_either_a_quantity_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "amount"),
    [(0, 0), (3, 3), (2.0, 2), ("4", 4), ("1Gi", 2**30), (MAX_AMOUNT, MAX_AMOUNT)],
)
def test_an_amount_is(value: Json, amount: int) -> None:
    assert parse_amount(value) == amount


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.5, "0.5 is not a whole number"),
        ("500m", "'500m' is not a whole number"),
        (-1, "-1 is not between 0 and"),
        (MAX_AMOUNT + 1, "is not between 0 and"),
        ("many", "'many' is not a number"),
        (True, "true is not a number"),
        (None, "nothing is not a number"),
    ],
)
def test_what_ray_does_not_take_is_refused_in_words(value: Json, problem: str) -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        parse_amount(value)

    assert problem in str(caught.value)
