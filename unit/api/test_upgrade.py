"""A strategy is read in whole or told of, and gives numbers that let a roll-out go on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.document import Reader, shown
from rayctl.api.upgrade import Share, UpgradeStrategy, UpgradeType, parse_strategy

SHARES = st.integers(0, 2000) | st.integers(0, 100).map(lambda part: f"{part}%")


def parsed(**fields: Any) -> tuple[UpgradeStrategy, list[str]]:
    reader = Reader(fields, "spec.upgradeStrategy")
    return parse_strategy(reader), [str(error) for error in reader.errors]


def test_what_is_left_open_is_rolling_a_quarter_at_a_time() -> None:
    assert parsed() == (UpgradeStrategy(UpgradeType.ROLLING_UPDATE, "25%", 0), [])


@pytest.mark.parametrize("kind", list(UpgradeType))
def test_each_strategy_is_known_by_its_name(kind: UpgradeType) -> None:
    assert parsed(type=str(kind)) == (UpgradeStrategy(kind), [])


@pytest.mark.parametrize("share", [0, 1, 100_000, "0%", "7%", "100%"])
def test_a_share_is_a_number_or_a_percentage(share: Share) -> None:
    assert parsed(maxUnavailable=share, maxSurge=share) == (
        UpgradeStrategy(max_unavailable=share, max_surge=share),
        [],
    )


@pytest.mark.parametrize(
    "share",
    [
        pytest.param(-1, id="negative"),
        pytest.param(100_001, id="more than there can be"),
        pytest.param(True, id="a boolean"),
        pytest.param(0.5, id="a fraction"),
        pytest.param("101%", id="more than all"),
        pytest.param("5", id="a number in quotes"),
        pytest.param("%", id="no number"),
        pytest.param("-5%", id="a negative percentage"),
        pytest.param("\u0665%", id="another script's digit"),
        pytest.param("5%\n", id="a line break"),
        pytest.param([], id="a list"),
    ],
)
def test_what_is_no_share_is_told_and_the_default_stands(share: Any) -> None:
    strategy, errors = parsed(maxSurge=share)

    assert strategy == UpgradeStrategy()
    (error,) = errors
    assert error.startswith(
        f"spec.upgradeStrategy.maxSurge: {shown(share)} is neither a number nor a percentage;"
    )
    assert error.endswith("write 0 or more, or such as 25%")


@pytest.mark.parametrize(
    ("unavailable", "surge", "wanted", "expected"),
    [
        pytest.param("25%", 0, 10, (2, 0), id="what may be missing is rounded down"),
        pytest.param("25%", "25%", 10, (2, 3), id="what may be too many is rounded up"),
        pytest.param("25%", 0, 3, (1, 0), id="where both come to nothing, one may be missing"),
        pytest.param(0, 0, 8, (1, 0), id="even if both are set to nothing"),
        pytest.param(0, 1, 8, (0, 1), id="with a surge, none need be missing"),
        pytest.param("100%", 0, 4, (4, 0), id="all at once"),
        pytest.param("29%", 0, 100, (29, 0), id="without a float's errors"),
    ],
)
def test_shares_become_numbers_of_workers(
    unavailable: Share, surge: Share, wanted: int, expected: tuple[int, int]
) -> None:
    strategy = UpgradeStrategy(max_unavailable=unavailable, max_surge=surge)

    assert (strategy.unavailable_of(wanted), strategy.surge_of(wanted)) == expected


@given(SHARES, SHARES, st.integers(0, 2000))
def test_a_roll_out_can_always_go_on(unavailable: Share, surge: Share, wanted: int) -> None:
    strategy = UpgradeStrategy(max_unavailable=unavailable, max_surge=surge)

    assert strategy.unavailable_of(wanted) >= 0
    assert strategy.surge_of(wanted) >= 0
    assert strategy.unavailable_of(wanted) + strategy.surge_of(wanted) >= 1
