"""Scenario 48: targets while Ray does not answer."""

from dataclasses import replace

import pytest

from rayctl.api.names import TypeName
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.standstill import kept_targets
from unit.core.autoscale.situations import A, B, an_offer

SLICE = an_offer("slice", TPU=4, hosts=4, minimum=1)


@pytest.mark.parametrize(
    ("offers", "maximum", "before", "after"),
    [
        pytest.param([A, B], 10, {"a": 3, "b": 2}, {"a": 3, "b": 2}, id="48 what was wanted stays"),
        pytest.param([replace(A, minimum=4)], 10, {"a": 3}, {"a": 4}, id="48 a raised minimum counts"),
        pytest.param([replace(A, maximum=1)], 10, {"a": 3}, {"a": 1}, id="48 a lowered maximum counts"),
        pytest.param([A, B], 4, {"a": 3, "b": 2}, {"a": 3, "b": 1}, id="48 so does the cluster's"),
        pytest.param([A], 10, {"a": 3, "gone": 2}, {"a": 3}, id="48 a type that is gone is gone"),
        pytest.param([SLICE], 10, {}, {"slice": 4}, id="48 a slice is whole"),
        pytest.param([SLICE], 3, {}, {"slice": 0}, id="48 or not there"),
    ],
)
def test_targets_without_news(
    offers: list[TypeOffer], maximum: int, before: dict[TypeName, int], after: dict[str, int]
) -> None:
    assert kept_targets(offers, maximum, before) == after
