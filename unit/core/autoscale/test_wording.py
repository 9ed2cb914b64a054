"""Amounts, shapes and selectors as people read them."""

import pytest

from rayctl.core.autoscale.demand import GRAIN, Demand, Strategy
from rayctl.core.autoscale.wording import amount_text, demand_text, gang_text
from unit.core.autoscale.situations import GIB, demand, gang, is_in, not_in, shape


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("CPU", 2 * GRAIN, "2"),
        ("CPU", 5_000, "0.5"),
        ("accelerator_type:A100", 10, "0.001"),
        ("memory", 3 * GIB * GRAIN // 2, "1.5 GiB"),
        ("memory", 1024 * 1024 * GRAIN, "0.00098 GiB"),
        ("memory", 0, "0 GiB"),
    ],
)
def test_amounts(resource: str, amount: int, text: str) -> None:
    assert amount_text(resource, amount) == text


def test_a_demand_with_its_selectors() -> None:
    asked = Demand(shape(CPU=1, GPU=0.5), 5, (is_in("zone", "b", "a"), not_in("tier", "spot")))

    assert demand_text(asked) == "5 x {CPU: 1, GPU: 0.5} where zone in (a, b), else tier not in (spot)"


def test_a_group() -> None:
    group = gang(Strategy.PACK, demand(4, CPU=1), demand(GPU=1), count=2)

    assert gang_text(group) == "2 x PACK of 4 x {CPU: 1} + 1 x {GPU: 1}"
