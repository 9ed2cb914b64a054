"""What must hold for every situation: P1 to P13 and P15 of the design. P14 compares with Ray, in bench/planner.py."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from rayctl.api.names import TypeName
from rayctl.core.autoscale.asked import asked_of
from rayctl.core.autoscale.axes import Key, Purpose
from rayctl.core.autoscale.demand import Amounts, Demand, DrainReason, Gang, Selector
from rayctl.core.autoscale.explain import Unmet, Verdict
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Placement, Plan, Situation
from rayctl.core.autoscale.weight import is_special, special_kinds
from rayctl.core.autoscale.workers import ALIVE, COUNTED, JOINED, UNJOINED, Worker, WorkerState
from unit.core.autoscale.situations import a_worker, an_offer, demand, launched, planned
from unit.core.autoscale.strategies import situations

T = TypeVar("T")

UNUSABLE = {WorkerState.DRAINING, WorkerState.STUCK, WorkerState.LOST, WorkerState.TERMINATING}
quick = settings(deadline=None, max_examples=settings().max_examples // 3)


def capacity(situation: Situation, placement: Placement, pod: str | None) -> Amounts:
    if pod is None:
        return offer_of(situation, placement.type).resources
    worker = worker_of(situation, pod)
    if worker.state in UNJOINED:
        return offer_of(situation, worker.type).resources
    return worker.available


def offer_of(situation: Situation, name: TypeName) -> TypeOffer:
    return next(offer for offer in situation.offers if offer.name == name)


def worker_of(situation: Situation, pod: str) -> Worker:
    return next(worker for worker in situation.workers if worker.pod == pod)


def used_by(placement: Placement) -> Counter[str]:
    used: Counter[str] = Counter()
    for key, times in placement.load:
        for name, amount in key.shape:
            used[name] += amount * times
    return used


def counts(situation: Situation) -> Counter[TypeName]:
    return Counter(worker.type for worker in situation.workers if worker.state in COUNTED)


@quick
@given(situations())
def test_no_worker_is_used_over_what_it_has(situation: Situation) -> None:
    for placement in plan(situation).placements:
        for pod in placement.pods or (None,):
            has = capacity(situation, placement, pod)
            assert all(amount <= has.get(name, 0) for name, amount in used_by(placement).items())


@quick
@given(situations())
def test_what_is_placed_and_what_is_unmet_is_what_was_asked(situation: Situation) -> None:
    outcome = plan(situation)

    placed: Counter[Key] = Counter()
    for placement in outcome.placements:
        for key, times in placement.load:
            placed[key] += times * placement.nodes
    for unmet in outcome.unmet:
        placed.update(keys_of(unmet))
    asked = asked_of(situation.asked.demands, situation.asked.gangs, ())
    assert placed == Counter(asked.counts)


def keys_of(unmet: Unmet) -> Counter[Key]:
    if unmet.purpose is Purpose.REQUEST:
        return Counter()
    if isinstance(unmet.subject, Gang):
        return Counter(asked_of((), [unmet.subject], ()).counts)
    return Counter(asked_of([unmet.subject], (), ()).counts)


@quick
@given(situations())
def test_no_maximum_is_exceeded_by_a_launch(situation: Situation) -> None:
    outcome = plan(situation)

    before = counts(situation)
    for offer in situation.offers:
        wanted = outcome.launch.get(offer.name, 0) + outcome.held_back.get(offer.name, 0)
        assert before[offer.name] + wanted <= max(offer.maximum, before[offer.name])
    wanted = sum(outcome.launch.values()) + sum(outcome.held_back.values())
    assert before.total() + wanted <= max(situation.cluster_maximum, before.total())


@quick
@given(situations())
def test_nothing_is_placed_on_what_is_on_its_way_out(situation: Situation) -> None:
    outcome = plan(situation)

    used = {pod for placement in outcome.placements for pod in placement.pods}
    assert not used & {worker.pod for worker in situation.workers if worker.state in UNUSABLE}
    assert not used & {leave.pod for leave in outcome.leave}


@quick
@given(situations())
def test_launches_are_whole_units(situation: Situation) -> None:
    outcome = plan(situation)

    for offer in situation.offers:
        assert outcome.launch.get(offer.name, 0) % offer.hosts == 0
        assert outcome.held_back.get(offer.name, 0) % offer.hosts == 0


@quick
@given(situations())
def test_a_plan_that_is_under_way_is_not_made_again(situation: Situation) -> None:
    first = plan(situation)
    again = plan(launched(situation, first, after=0))

    assert not again.launch
    assert {leave.pod for leave in again.leave} <= {leave.pod for leave in first.leave}


@quick
@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_and_demands_changes_no_count(situation: Situation, random: Random) -> None:
    def mixed(items: Sequence[T]) -> tuple[T, ...]:
        return tuple(random.sample(items, len(items)))

    asked = situation.asked
    other = replace(
        situation,
        workers=mixed(situation.workers),
        asked=replace(
            asked,
            demands=mixed(asked.demands),
            gangs=mixed(asked.gangs),
            constraint=mixed(asked.constraint),
        ),
    )

    assert summary(plan(other)) == summary(plan(situation))


def summary(outcome: Plan) -> tuple[object, ...]:
    return (
        outcome.launch,
        outcome.held_back,
        Counter((leave.type, leave.reason) for leave in outcome.leave),
        Counter({(unmet.purpose, str(unmet.subject)): 1 for unmet in outcome.unmet}),
    )


@quick
@given(situations())
def test_a_placement_group_is_placed_as_a_whole_or_not_at_all(situation: Situation) -> None:
    outcome = plan(situation)

    unplaced: Counter[tuple[object, ...]] = Counter()
    for unmet in outcome.unmet:
        if isinstance(unmet.subject, Gang):
            unplaced[identity(unmet.subject)] += unmet.subject.count
    wants = asked_of((), situation.asked.gangs, ()).gangs
    expected: Counter[Key] = Counter()
    for want in wants:
        for group, count in want.groups:
            expected[group.key] += count * (want.gang.count - unplaced[identity(want.gang)])
    placed: Counter[Key] = Counter()
    for placement in outcome.placements:
        for key, times in placement.load:
            if key.purpose is Purpose.GANG:
                placed[key] += times * placement.nodes
    assert placed == +expected


def identity(gang: Gang) -> tuple[object, ...]:
    return gang.strategy, gang.bundles, gang.group


@quick
@given(situations())
def test_a_strictly_spread_group_has_a_node_for_each_bundle_and_none_it_had_before(
    situation: Situation,
) -> None:
    for placement in plan(situation).placements:
        apart = [(key.apart, times) for key, times in placement.load if key.apart]
        assert all(times == 1 for _, times in apart)
        assert len({group for group, _ in apart}) == len(apart)
        for pod in placement.pods:
            assert not worker_of(situation, pod).groups & {group for group, _ in apart}


@quick
@given(situations())
def test_only_spare_idle_workers_are_drained_as_idle_and_never_below_the_minimum(
    situation: Situation,
) -> None:
    outcome = plan(situation)

    drained = {leave.pod for leave in outcome.leave if leave.reason is DrainReason.IDLE}
    needed = {pod for placement in outcome.placements for pod in placement.pods}
    idle = {worker.pod for worker in situation.workers if worker.state is WorkerState.IDLE}
    assert drained <= idle - needed - outcome.memory.held
    going = {leave.pod for leave in outcome.leave}
    for offer in situation.offers:
        mine = [worker for worker in situation.workers if worker.type == offer.name]
        if any(worker.pod in drained for worker in mine):
            left = sum(worker.state in JOINED and worker.pod not in going for worker in mine)
            assert left >= offer.minimum


resources = st.dictionaries(
    st.sampled_from(["CPU", "memory", "GPU", "TPU", "Custom1", "Custom2"]), st.integers(1, 4), min_size=1
)


@quick
@given(resources, resources)
def test_what_a_node_has_is_used_and_held_whatever_its_type_has_come_to_offer(
    has: dict[str, Any], offers: dict[str, Any]
) -> None:
    old = a_worker(an_offer("type", **has), WorkerState.IDLE, idle=3600.0)
    types = [an_offer("type", **offers), an_offer("other", **has)]

    task = planned(demand(**has), types=types, workers=[old])
    request = planned(request=[demand(**has)], types=types, workers=[old])

    for outcome in (task, request):
        assert not outcome.launch
        assert not outcome.leave
    assert request.memory.held == {old.pod}


def matches(selector: Selector, labels: dict[str, str]) -> bool:
    return all((labels.get(term.key) in term.values) == term.is_in for term in selector)


@quick
@given(situations(with_gangs=False, with_request=False))
def test_each_placement_fulfils_a_selector_and_none_before_it_had_room(situation: Situation) -> None:
    outcome = plan(situation)

    free = [
        (offer_of(situation, offer.name), offer.labels)
        for offer in situation.offers
        if has_room(situation, outcome, offer.name)
    ]
    for placement in outcome.placements:
        labels = (
            offer_of(situation, placement.type).labels
            if not placement.pods or worker_of(situation, placement.pods[0]).state in UNJOINED
            else worker_of(situation, placement.pods[0]).labels
        )
        for key, _ in placement.load:
            if not key.selectors:
                continue
            chosen = [matches(selector, dict(labels)) for selector in key.selectors]
            assert any(chosen)
            # A node that a minimum has launched is there anyway.
            if placement.pods or offer_of(situation, placement.type).minimum:
                continue
            for selector in key.selectors[: chosen.index(True)]:
                assert not any(
                    matches(selector, dict(labels)) and holds(offer.resources, key) for offer, labels in free
                )


def has_room(situation: Situation, outcome: Plan, name: TypeName) -> bool:
    before = counts(situation)
    after = {
        offer.name: before[offer.name]
        + outcome.launch.get(offer.name, 0)
        + outcome.held_back.get(offer.name, 0)
        for offer in situation.offers
    }
    offer = offer_of(situation, name)
    total = sum(after.values()) + sum(n for kind, n in before.items() if kind not in after)
    return (
        name not in outcome.memory.blocks
        and after[name] + offer.hosts <= offer.maximum
        and total + offer.hosts <= situation.cluster_maximum
    )


def holds(resources: Amounts, key: Key) -> bool:
    return all(resources.get(name, 0) >= amount for name, amount in key.shape)


@quick
@given(situations(with_gangs=False, with_request=False))
def test_plain_work_gets_a_new_special_node_only_when_nothing_else_can_have_it(situation: Situation) -> None:
    outcome = plan(situation)

    for placement in outcome.placements:
        chosen = offer_of(situation, placement.type)
        # A node that a minimum has launched is there anyway.
        specials = () if chosen.minimum else special_kinds(chosen.resources)
        plain = all(not is_special(name) for key, _ in placement.load for name, _ in key.shape)
        if placement.pods or not specials or not plain:
            continue
        elsewhere = [
            offer
            for offer in situation.offers
            if not special_kinds(offer.resources) and has_room(situation, outcome, offer.name)
        ]
        # With fallbacks the special type may be the one of an earlier selector.
        assert not all(
            len(key.selectors) < 2 and any(takes(offer, key) for offer in elsewhere)
            for key, _ in placement.load
        )


def takes(offer: TypeOffer, key: Key) -> bool:
    return holds(offer.resources, key) and any(
        matches(selector, dict(offer.labels)) for selector in key.selectors or ((),)
    )


@quick
@given(
    st.dictionaries(st.sampled_from(["Custom1", "Custom2", "is_spot"]), st.integers(1, 1000), min_size=1),
    st.dictionaries(st.sampled_from(["GPU", "TPU", "neuron_cores"]), st.integers(1, 8), min_size=1),
    st.lists(st.builds(demand, st.integers(1, 9), CPU=st.integers(1, 4)), min_size=1, max_size=3),
    st.integers(4, 16),
)
def test_plain_work_gets_no_accelerator_as_long_as_a_type_without_one_can_have_it(
    custom: dict[str, Any], accelerators: dict[str, Any], asked: list[Demand], cpus: int
) -> None:
    types = [
        an_offer("custom", CPU=4, maximum=100, **custom),
        an_offer("accelerated", CPU=cpus, maximum=100, **accelerators),
    ]

    assert planned(*asked, types=types).launch.keys() == {"custom"}


@quick
@given(situations())
def test_infeasible_is_what_no_type_and_no_living_node_could_ever_hold(situation: Situation) -> None:
    living = [
        (worker.total, worker.labels)
        for worker in situation.workers
        if worker.state in ALIVE or worker.state is WorkerState.DRAINING
    ]
    nodes = [*((offer.resources, offer.labels) for offer in situation.offers), *living]

    for unmet in plan(situation).unmet:
        if isinstance(unmet.subject, Gang):
            keys = asked_of((), [unmet.subject], ()).counts
        else:
            keys = asked_of([unmet.subject], (), ()).counts
        possible = all(
            any(
                holds(resources, key)
                and any(matches(selector, dict(labels)) for selector in key.selectors or ((),))
                for resources, labels in nodes
            )
            for key in keys
        )
        assert (unmet.verdict is Verdict.WAITING) == possible
        assert len(unmet.reasons) == len(situation.offers)
