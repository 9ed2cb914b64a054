"""What Ray is asked for, as the planner gets it."""

import math

import pytest

from rayctl.api.quantity import MAX_AMOUNT
from rayctl.core.autoscale.demand import GRAIN, Demand, Gang, GroupId, Shape, Strategy, Term
from rayctl.gcs import asked
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.asked import Gangs, Tally, grains, is_internal

GROUP = "4b824095ce0af6d199c3a50e59df02000000"
IN, NOT_IN = pb.LABEL_OPERATOR_IN, pb.LABEL_OPERATOR_NOT_IN
CPU: Shape = (("CPU", GRAIN),)


def a_request(
    selectors: tuple[tuple[tuple[str, int, tuple[str, ...]], ...], ...] = (), **bundle: float
) -> pb.ResourceRequest:
    request = pb.ResourceRequest(resources_bundle=bundle or {"CPU": 1.0})
    for terms in selectors:
        selector = request.label_selectors.add()
        for key, operator, values in terms:
            constraint = pb.LabelSelectorConstraint(label_key=key, label_values=values)
            constraint.operator = operator  # type: ignore[assignment]
            selector.label_constraints.append(constraint)
    return request


def a_gang(details: str, *requests: pb.ResourceRequest) -> pb.GangResourceRequest:
    return pb.GangResourceRequest(
        details=details, bundle_selectors=[pb.BundleSelector(resource_requests=requests)]
    )


def tally(*requests: pb.ResourceRequest) -> Tally:
    tally = Tally()
    for request in requests:
        tally.add(request)
    return tally


def gangs(*messages: pb.GangResourceRequest) -> Gangs:
    gangs = Gangs()
    for message in messages:
        gangs.add(message)
    return gangs


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        pytest.param(0.1, 1_000, id="a tenth"),
        pytest.param(0.1 + 0.2, 3_000, id="what floats make of three tenths"),
        pytest.param(0.00004, 0, id="less than Ray's grain"),
        pytest.param(float(2**46 + 1), (2**46 + 1) * GRAIN, id="64 TiB and a byte"),
        pytest.param(1.9999999, 2 * GRAIN, id="almost two"),
        pytest.param(-0.0, 0, id="minus nothing"),
        pytest.param(1e300, MAX_AMOUNT * GRAIN + 1, id="more than any node can have"),
        pytest.param(-1.0, None, id="a negative one"),
        pytest.param(math.nan, None, id="no number"),
        pytest.param(math.inf, None, id="infinity"),
        pytest.param(-math.inf, None, id="minus infinity"),
    ],
)
def test_amounts_are_whole_numbers_of_a_ten_thousandth(amount: float, expected: int | None) -> None:
    assert grains(amount) == expected


@pytest.mark.parametrize(
    ("resource", "internal"),
    [
        (f"CPU_group_{GROUP}", True),
        (f"CPU_group_0_{GROUP}", True),
        (f"bundle_group_{GROUP}", True),
        (f"bundle_group_12_{GROUP}", True),
        ("CPU", False),
        ("my_group_license", False),
        ("my_group_42", False),
        (f"CPU_group_{GROUP}_x", False),
    ],
)
def test_only_what_ray_makes_up_for_placement_groups_is_internal(resource: str, internal: bool) -> None:
    assert is_internal(resource) is internal


def test_equal_demands_are_one_with_their_sum() -> None:
    counted = Tally()
    counted.add(a_request(CPU=1.0, GPU=0.0), 3)
    counted.add(a_request(CPU=1.0), 4)
    counted.add(a_request(GPU=0.5, CPU=2.0))

    assert counted.demands() == (Demand(CPU, 7), Demand((("CPU", 2 * GRAIN), ("GPU", 5_000)), 1))


@pytest.mark.parametrize("count", [0, -1, -(2**63)])
def test_a_demand_of_none_is_none(count: int) -> None:
    counted = Tally()

    counted.add(a_request(), count)

    assert (counted.demands(), counted.left_out) == ((), 0)


def test_tasks_inside_a_placement_group_are_no_demand() -> None:
    inside = pb.ResourceRequest(resources_bundle={f"CPU_group_{GROUP}": 1.0, f"bundle_group_{GROUP}": 0.001})

    counted = tally(inside)

    assert (counted.demands(), counted.left_out) == ((), 0)


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_a_demand_of_what_is_no_amount_is_left_out_and_counted(amount: float) -> None:
    counted = tally(a_request(CPU=1.0, GPU=amount), a_request())

    assert (counted.demands(), counted.left_out) == ((Demand(CPU, 1),), 1)


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param({"x" * 1000: 1.0}, id="a name without end"),
        pytest.param({"x\n2026-11-29 INFO all is well": 1.0}, id="a name with lines"),
        pytest.param({f"kind-{number}": 1.0 for number in range(1000)}, id="a thousand kinds"),
    ],
)
def test_a_demand_that_nobody_could_read_is_left_out_and_counted(bundle: dict[str, float]) -> None:
    counted = tally(pb.ResourceRequest(resources_bundle=bundle), a_request())

    assert (counted.demands(), counted.left_out) == ((Demand(CPU, 1),), 1)


def test_a_label_that_nobody_could_read_is_not_understood() -> None:
    counted = tally(a_request(((("zone", IN, ("a", "b" * 1000)),),)), a_request())

    assert (counted.demands(), counted.left_out) == ((Demand(CPU, 1),), 1)


ANYWHERE: tuple[()] = ()
ZONE_A = (("zone", IN, ("a",)),)
NOT_B = (("zone", NOT_IN, ("b",)), ("gpu", IN, ("x", "y")))
NEWER = (("zone", 7, ("a",)),)


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        pytest.param((), (), id="none"),
        pytest.param((ANYWHERE,), (), id="an empty one, as Ray writes none"),
        pytest.param((ZONE_A,), ((Term("zone", True, frozenset("a")),),), id="one"),
        pytest.param(
            (NOT_B, ZONE_A),
            (
                (Term("gpu", True, frozenset("xy")), Term("zone", False, frozenset("b"))),
                (Term("zone", True, frozenset("a")),),
            ),
            id="a fallback comes after, and terms are in order",
        ),
        pytest.param((ZONE_A, ANYWHERE), (), id="in the end anywhere"),
        pytest.param((ZONE_A, ZONE_A), ((Term("zone", True, frozenset("a")),),), id="twice the same"),
        pytest.param((NEWER, ZONE_A), ((Term("zone", True, frozenset("a")),),), id="one of a newer Ray"),
    ],
)
def test_selectors_are_alternatives_in_the_users_order(
    selectors: tuple[tuple[tuple[str, int, tuple[str, ...]], ...], ...], expected: object
) -> None:
    (demand,) = tally(a_request(selectors)).demands()

    assert demand.selectors == expected


def test_a_demand_with_only_an_operator_of_a_newer_ray_is_left_out() -> None:
    counted = tally(a_request((NEWER,)))

    assert (counted.demands(), counted.left_out) == ((), 1)


def test_no_more_than_so_many_different_demands_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_DISTINCT", 2)

    counted = tally(a_request(CPU=1.0), a_request(CPU=2.0), a_request(CPU=3.0), a_request(CPU=1.0))

    assert [demand.count for demand in counted.demands()] == [2, 1]
    assert counted.left_out == 1


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_details_tell_a_placement_groups_strategy(strategy: Strategy) -> None:
    (gang,) = gangs(a_gang(f"{GROUP}:{strategy}|PENDING", a_request(), a_request())).gangs()

    assert gang == Gang(strategy, (Demand(CPU, 2),), 1, GroupId(GROUP))


@pytest.mark.parametrize(
    ("constraint", "strategy", "group"),
    [
        pytest.param("affinity", Strategy.STRICT_PACK, GROUP, id="to lie together"),
        pytest.param("anti_affinity", Strategy.STRICT_SPREAD, GROUP, id="to lie apart"),
        pytest.param("", Strategy.PACK, "", id="no constraint"),
    ],
)
@pytest.mark.parametrize("details", ["", "nonsense", f":{'X' * 9}|PENDING"])
def test_without_a_known_strategy_the_constraints_tell(
    details: str, constraint: str, strategy: Strategy, group: str
) -> None:
    request = a_request()
    if constraint:
        getattr(request.placement_constraints.add(), constraint).label_name = f"_PG_{GROUP}"

    (gang,) = gangs(a_gang(details, request)).gangs()

    assert (gang.strategy, gang.group) == (strategy, group)


def test_equal_placement_groups_are_one_unless_each_avoids_its_own_nodes() -> None:
    one, two = a_request(CPU=1.0), a_request(CPU=2.0)
    found = gangs(
        a_gang(f"{'a' * 36}:PACK|PENDING", one, two),
        a_gang(f"{'b' * 36}:PACK|PENDING", two, one),
        a_gang(f"{'c' * 36}:PACK|RESCHEDULING", one, two),
        a_gang(f"{'d' * 36}:STRICT_SPREAD|PENDING", one, two),
        a_gang(f"{'e' * 36}:STRICT_SPREAD|PENDING", one, two),
    ).gangs()

    assert [(gang.count, gang.group[:1], gang.rescheduling) for gang in found] == [
        (2, "", False),
        (1, "c", True),
        (1, "d", False),
        (1, "e", False),
    ]


def test_bundles_are_read_where_their_selectors_are() -> None:
    with_selector = a_request((ZONE_A,))
    message = a_gang(f"{GROUP}:PACK|PENDING", with_selector)
    message.requests.append(a_request())

    (gang,) = gangs(message).gangs()

    assert gang.bundles[0].selectors


def test_bundles_of_an_older_ray_are_read_where_they_are() -> None:
    (gang,) = gangs(pb.GangResourceRequest(details=f"{GROUP}:PACK|PENDING", requests=[a_request()])).gangs()

    assert gang.bundles == (Demand(CPU, 1),)


def test_a_placement_group_that_changed_its_state_meanwhile_has_no_bundles_and_asks_for_nothing() -> None:
    found = gangs(pb.GangResourceRequest(details=f"{GROUP}:PACK|PENDING"))

    assert (found.gangs(), found.left_out) == ((), 0)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(a_request(CPU=math.nan), id="no amount"),
        pytest.param(a_request((NEWER,)), id="a newer operator"),
        pytest.param(pb.ResourceRequest(resources_bundle={f"CPU_group_{GROUP}": 1.0}), id="internal"),
    ],
)
def test_a_placement_group_that_is_half_understood_is_left_out_whole(odd: pb.ResourceRequest) -> None:
    found = gangs(a_gang(f"{GROUP}:PACK|PENDING", a_request(), odd))

    assert (found.gangs(), found.left_out) == ((), 1)


def test_placement_groups_beyond_the_limits_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_DISTINCT", 2)
    monkeypatch.setattr(asked, "MAX_PARTS", 5)
    each = [a_gang(f"{GROUP}:PACK|PENDING", a_request(CPU=float(cpus))) for cpus in (1, 2, 3, 1)]

    found = gangs(*each, a_gang(f"{GROUP}:PACK|PENDING", a_request(), a_request()))

    assert [gang.count for gang in found.gangs()] == [2, 1]
    assert found.left_out == 2


def test_what_request_resources_asked_is_read_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    part = pb.ResourceRequestByCount(request=a_request(), count=3)
    constraint = pb.ClusterResourceConstraint(resource_requests=[part, part])
    whole, none = Tally(), Tally()

    whole.add_each(constraint)
    monkeypatch.setattr(asked, "MAX_PARTS", 1)
    none.add_each(constraint)

    assert (whole.demands(), whole.left_out) == ((Demand(CPU, 6),), 0)
    assert (none.demands(), none.left_out) == ((), 1)
