"""Any situation: small numbers, so that limits are met often, and few values, so that equal things are common."""

from dataclasses import replace

from hypothesis import strategies as st

from rayctl.api.names import NODE_GROUP
from rayctl.core.autoscale.demand import Demand, Gang, GroupId, Selector, Strategy
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import PodVerdict, Worker, WorkerState
from unit.core.autoscale.situations import (
    a_situation,
    a_slice,
    a_worker,
    amounts,
    an_offer,
    is_in,
    not_in,
    shape,
)

ZONES = ("north", "south")
GROUPS = (GroupId("aa"), GroupId("bb"))

selectors: st.SearchStrategy[Selector] = st.sampled_from(
    [is_in("zone", "north"), is_in("zone", *ZONES), not_in("zone", "north"), is_in(NODE_GROUP, "t0")]
)


@st.composite
def offers(draw: st.DrawFn, *, hosts: tuple[int, ...] = (1, 1, 1, 2)) -> tuple[TypeOffer, ...]:
    made = []
    for index in range(draw(st.integers(1, 4))):
        resources: dict[str, float] = {"CPU": draw(st.integers(1, 8))}
        if draw(st.booleans()):
            resources["memory"] = draw(st.sampled_from([4, 8, 16, 31]))
        special = draw(st.sampled_from(["", "", "GPU", "Custom"]))
        if special:
            resources[special] = draw(st.integers(1, 4))
        maximum = draw(st.integers(0, 8))
        made.append(
            an_offer(
                f"t{index}",
                labels={"zone": draw(st.sampled_from(ZONES))} if draw(st.booleans()) else {},
                minimum=draw(st.sampled_from([0, 0, 0, 1, 2, 9])),
                maximum=maximum,
                hosts=draw(st.sampled_from(hosts)),
                priority=draw(st.sampled_from([0, 0, 0, 1])),
                **resources,
            )
        )
    return tuple(made)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    resources: dict[str, float] = {}
    if draw(st.integers(0, 9)):
        resources["CPU"] = draw(st.sampled_from([0.1, 0.5, 1, 1, 2, 3, 4, 9]))
    if draw(st.booleans()):
        resources["memory"] = draw(st.sampled_from([1, 3, 7, 16]))
    if not draw(st.integers(0, 3)):
        resources[draw(st.sampled_from(["GPU", "Custom", "TPU"]))] = draw(st.sampled_from([0.5, 1, 2]))
    where = draw(st.lists(selectors, max_size=2, unique=True)) if draw(st.booleans()) else []
    return Demand(shape(**resources), draw(st.integers(1, 12)), tuple(where))


@st.composite
def gangs(draw: st.DrawFn) -> Gang:
    strategy = draw(st.sampled_from(Strategy))
    bundles = [
        replace(bundle, count=min(bundle.count, 3), selectors=bundle.selectors[:1])
        for bundle in draw(st.lists(demands(), min_size=1, max_size=2))
    ]
    if strategy is Strategy.STRICT_SPREAD:
        return Gang(strategy, tuple(bundles), 1, draw(st.sampled_from(GROUPS)))
    return Gang(strategy, tuple(bundles), draw(st.integers(1, 3)))


@st.composite
def units(draw: st.DrawFn, offer: TypeOffer) -> tuple[Worker, ...]:
    """A unit of a type, in any state, with any part of it in use."""
    state = draw(st.sampled_from([state for state in WorkerState if state is not WorkerState.HEAD]))
    fields: dict[str, object] = {}
    if state is WorkerState.STUCK:
        fields["verdict"] = draw(st.sampled_from([PodVerdict.UNSCHEDULABLE, PodVerdict.FAILING]))
    if state is WorkerState.IDLE:
        fields["idle"] = draw(st.sampled_from([5.0, 59.9, 60.0, 300.0]))
    if state in {WorkerState.RUNNING, WorkerState.FOREIGN}:
        share = draw(st.sampled_from([0, 1, 3]))
        fields["total"] = offer.resources
        fields["available"] = {name: amount * share // 4 for name, amount in offer.resources.items()}
        fields["labels"] = offer.labels
        fields["groups"] = draw(st.frozensets(st.sampled_from(GROUPS), max_size=1))
    if state is WorkerState.FOREIGN:
        return (a_worker(offer, state, **fields),)
    return a_slice(offer, state, **fields)


@st.composite
def situations(
    draw: st.DrawFn,
    *,
    with_gangs: bool = True,
    with_request: bool = True,
    hosts: tuple[int, ...] = (1, 1, 1, 2),
) -> Situation:
    types = draw(offers(hosts=hosts))
    workers: list[Worker] = []
    for _ in range(draw(st.integers(0, 6))):
        workers += draw(units(draw(st.sampled_from(types))))
    if draw(st.booleans()):
        workers.append(a_worker(types[0], WorkerState.HEAD, total=amounts(CPU=2), available=amounts(CPU=1)))
    asked = [
        *draw(st.lists(demands(), max_size=5)),
        *(draw(st.lists(gangs(), max_size=3)) if with_gangs else ()),
    ]
    return a_situation(
        *asked,
        types=types,
        workers=workers,
        request=draw(st.lists(demands(), max_size=2)) if with_request else (),
        cluster_maximum=draw(st.sampled_from([0, 3, 8, 100])),
        speed=draw(st.sampled_from([0.1, 1.0, 3.0])),
    )
