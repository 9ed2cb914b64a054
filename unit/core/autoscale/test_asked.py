"""What is asked for, put in order before it is planned."""

import pytest

from rayctl.core.autoscale.asked import asked_of
from rayctl.core.autoscale.axes import Key, Purpose
from rayctl.core.autoscale.demand import Demand, Gang, GroupId, Strategy
from unit.core.autoscale.situations import demand, gang, is_in, not_in, shape

CPU = shape(CPU=1)


@pytest.mark.parametrize(
    ("demands", "total"),
    [
        pytest.param([demand(2, CPU=1), demand(3, CPU=1)], 5, id="equal ones are one"),
        pytest.param([Demand((("CPU", 10_000), ("GPU", 0)), 2)], 2, id="nothing of a resource is nothing"),
        pytest.param([Demand((("CPU", 4_000), ("CPU", 6_000)), 2)], 2, id="a resource named twice is summed"),
        pytest.param([demand(1, CPU=1), Demand(CPU, 0), Demand(CPU, -3)], 1, id="none of it is none"),
    ],
)
def test_odd_demands_are_put_right(demands: list[Demand], total: int) -> None:
    assert asked_of(demands, (), ()).counts == {Key(Purpose.TASK, CPU): total}


def test_a_task_and_a_part_of_a_request_are_not_the_same() -> None:
    counts = asked_of([demand(CPU=1)], (), [demand(2, CPU=1)]).counts

    assert counts == {Key(Purpose.TASK, CPU): 1, Key(Purpose.REQUEST, CPU): 2}


def test_equal_groups_are_one_with_a_count_whatever_the_order_of_their_bundles() -> None:
    one = gang(Strategy.PACK, demand(CPU=1), demand(CPU=2))
    other = gang(Strategy.PACK, demand(CPU=2), demand(CPU=1), count=2)

    (want,) = asked_of((), [one, other], ()).gangs

    assert want.gang.count == 3


def test_strictly_spread_groups_stay_apart_and_each_counts_once() -> None:
    spread = [gang(Strategy.STRICT_SPREAD, demand(CPU=1), group=GroupId(name)) for name in ("aa", "bb", "aa")]

    assert [want.gang.group for want in asked_of((), spread, ()).gangs] == ["aa", "bb"]


def test_the_bundles_of_a_strictly_packed_group_are_one_demand_with_all_conditions() -> None:
    north, cheap = is_in("zone", "north"), not_in("tier", "gold")
    bundles = (Demand(CPU, 2, (north,)), Demand(shape(GPU=1), 1, (cheap,)))

    ((group, count),) = asked_of((), [Gang(Strategy.STRICT_PACK, bundles)], ()).gangs[0].groups

    assert count == 1
    assert group.key.shape == shape(CPU=2, GPU=1)
    assert group.key.selectors == ((*cheap, *north),)


def test_groups_that_are_hard_to_place_come_first() -> None:
    pack = gang(Strategy.PACK, demand(8, CPU=1))
    strict = gang(Strategy.STRICT_PACK, demand(2, CPU=1))
    spread = gang(Strategy.STRICT_SPREAD, demand(2, CPU=1), group=GroupId("aa"))
    larger = gang(Strategy.STRICT_PACK, demand(4, CPU=1))

    order = [want.gang for want in asked_of((), [pack, strict, spread, larger], ()).gangs]

    assert order == [spread, larger, strict, pack]


def test_a_group_without_bundles_is_none() -> None:
    assert not asked_of((), [gang(Strategy.PACK), gang(Strategy.PACK, Demand(CPU, 0))], ()).gangs
