"""Which workers are to go, whatever it is for, and how.

Some go before a plan is made, since it must not count on them: what is lost or failed, what the spec has no
place for any more, what is named to go. Others go because the plan shows that nothing needs them: idle ones,
and pods that wait for a Kubernetes node longer than anybody waits for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import DrainReason, NodeId
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.weight import weight_of
from rayctl.core.autoscale.workers import (
    ALIVE,
    COUNTED,
    JOINED,
    UNSCHEDULED,
    PodVerdict,
    Worker,
    WorkerState,
)

PATIENCE: Seconds = 30.0
"""A pod without a Kubernetes node that nothing needs is kept so long, in case the need comes back."""

LONGEST_STUCK: Seconds = 900.0
"""A pod that can't be scheduled is left to Kubernetes' own autoscaler, which must see it, for so long."""

YOUNG: Seconds = 60.0
"""A pod that does not start is left to the kubelet for so long, which tries again what a registry refused."""


@dataclass(frozen=True, slots=True)
class Leave:
    """A worker that is to go."""

    pod: str
    type: TypeName
    node_id: NodeId
    """'' where Ray has no node for it."""
    reason: DrainReason | None
    """How Ray is to be asked first; None: there is nothing to ask, the pod is deleted."""
    why: str


@dataclass(frozen=True, slots=True)
class Unit:
    """Workers that come and go as one: a pod, or the hosts of a slice."""

    type: TypeName
    members: tuple[Worker, ...]


def units_of(workers: Iterable[Worker]) -> list[Unit]:
    """Return the workers that minimum and maximum are about, as units, in an order of their own."""
    units: dict[tuple[TypeName, str, str], list[Worker]] = {}
    for worker in workers:
        if worker.state in COUNTED:
            key = (worker.type, worker.slice, "" if worker.slice else worker.pod)
            units.setdefault(key, []).append(worker)
    return [Unit(key[0], tuple(members)) for key, members in sorted(units.items())]


def must_leave(
    workers: Sequence[Worker],
    offers: Sequence[TypeOffer],
    cluster_maximum: int,
    doomed: Mapping[str, str],
    held: frozenset[str],
) -> list[Leave]:
    """Return who goes whatever is needed: the failed, those named, those above a maximum.

    ``doomed`` are pods that are named to go, and why; ``held`` is what request_resources needed last, which
    goes last where there is a choice.
    """
    known = {offer.name: offer for offer in offers}
    if not _anybody_must(workers, known, cluster_maximum, doomed):
        return []
    units = units_of(workers)
    chosen: dict[str, Leave] = {}
    for unit in units:
        for leave in _failed(unit):
            chosen[leave.pod] = leave
        why = next((doomed[worker.pod] for worker in unit.members if worker.pod in doomed), "")
        if not why and unit.type not in known:
            why = f"spec.podTypes has no {unit.type or 'type of its'} any more"
        if why:
            _add(chosen, unit, why)
    staying = [unit for unit in units if not any(_is_going(worker, chosen) for worker in unit.members)]
    if _too_many(staying, known, cluster_maximum):
        staying.sort(key=lambda unit: _leaving_order(unit, held))
        _trim(chosen, staying, known, cluster_maximum)
    return list(chosen.values())


def _anybody_must(
    workers: Iterable[Worker],
    known: Mapping[TypeName, TypeOffer],
    cluster_maximum: int,
    doomed: Mapping[str, str],
) -> bool:
    """Return at little cost whether there is anything to look into: mostly there is not."""
    counted = [worker for worker in workers if worker.state in COUNTED]
    counts = Counter([worker.type for worker in counted])
    return (
        len(counted) > cluster_maximum
        or any(name not in known or count > known[name].maximum for name, count in counts.items())
        or any(_is_broken(worker) or worker.pod in doomed for worker in counted)
    )


def _failed(unit: Unit) -> Iterable[Leave]:
    """Yield those that are of no use any more; with one of its hosts a slice is lost as a whole."""
    broken = [worker for worker in unit.members if _is_broken(worker)]
    for worker in broken:
        yield Leave(worker.pod, worker.type, NodeId(""), None, _how_it_failed(worker))
    if broken:
        for worker in unit.members:
            if worker not in broken and worker.state is not WorkerState.DRAINING:
                yield _preempt(worker, f"its slice has lost {broken[0].pod}")


def _is_broken(worker: Worker) -> bool:
    if worker.state is WorkerState.STUCK:
        return worker.age >= (LONGEST_STUCK if worker.verdict is PodVerdict.UNSCHEDULABLE else YOUNG)
    return worker.state is WorkerState.LOST


def _how_it_failed(worker: Worker) -> str:
    if worker.state is WorkerState.STUCK:
        return worker.why or f"it is {worker.verdict or 'stuck'}"
    return worker.why or ("it is not ready any more" if worker.node_id else "Ray has lost its node")


def _what_it_waits_for(worker: Worker) -> str:
    return _how_it_failed(worker) if worker.verdict is PodVerdict.FAILING else "it has no node yet"


def _preempt(worker: Worker, why: str) -> Leave:
    if worker.state in ALIVE:
        return Leave(worker.pod, worker.type, worker.node_id, DrainReason.PREEMPTION, why)
    return Leave(worker.pod, worker.type, NodeId(""), None, why)


def _add(chosen: dict[str, Leave], unit: Unit, why: str) -> None:
    for worker in unit.members:
        if worker.state is not WorkerState.DRAINING:
            chosen.setdefault(worker.pod, _preempt(worker, why))


def _is_going(worker: Worker, chosen: Mapping[str, Leave]) -> bool:
    return worker.state is WorkerState.DRAINING or worker.pod in chosen


def _too_many(staying: Iterable[Unit], known: Mapping[TypeName, TypeOffer], cluster_maximum: int) -> bool:
    counts = Counter[TypeName]()
    for unit in staying:
        counts[unit.type] += len(unit.members)
    return counts.total() > cluster_maximum or any(
        count > known[name].maximum for name, count in counts.items()
    )


def _trim(
    chosen: dict[str, Leave],
    staying: Sequence[Unit],
    known: Mapping[TypeName, TypeOffer],
    cluster_maximum: int,
) -> None:
    """Choose whole units until no maximum is exceeded by what stays; types above their minimum give first."""
    counts: dict[TypeName, int] = {}
    for unit in staying:
        counts[unit.type] = counts.get(unit.type, 0) + len(unit.members)

    def give(unit: Unit, why: str) -> None:
        if unit.members[0].pod not in chosen:
            counts[unit.type] -= len(unit.members)
            _add(chosen, unit, why)

    for unit in staying:
        maximum = known[unit.type].maximum
        if counts[unit.type] > maximum:
            give(unit, f"maxWorkers of type {unit.type} is {maximum}")
    for above_minimum in (True, False):
        for unit in staying:
            spare = counts[unit.type] - len(unit.members) >= known[unit.type].minimum
            if sum(counts.values()) > cluster_maximum and (spare or not above_minimum):
                give(unit, f"maxWorkers of the cluster is {cluster_maximum}")


_LEAVING = {
    WorkerState.STUCK: 0,
    WorkerState.LOST: 1,
    WorkerState.REQUESTED: 2,
    WorkerState.PENDING: 3,
    WorkerState.STARTING: 4,
    WorkerState.IDLE: 5,
    WorkerState.RUNNING: 6,
}


def _leaving_order(unit: Unit, held: frozenset[str]) -> tuple[object, ...]:
    """Return what sorts first whose loss costs least; the name decides between equals."""
    state = max(_LEAVING.get(worker.state, 0) for worker in unit.members)
    idle = min(worker.idle for worker in unit.members)
    used = sum(
        weight_of(name) * (amount - worker.available.get(name, 0))
        for worker in unit.members
        for name, amount in worker.total.items()
    )
    return (
        any(worker.pod in held for worker in unit.members),
        state,
        -idle,
        used,
        min(worker.pod for worker in unit.members),
    )


def may_leave(
    workers: Sequence[Worker],
    offers: Sequence[TypeOffer],
    needed: frozenset[str],
    idle_for: Callable[[Worker], Seconds],
) -> list[Leave]:
    """Return who goes because nothing needs it: idle for its type's time-out, the longest idle first.

    ``workers`` are those that stay otherwise. Only workers that have joined count for the minimum: one that
    is on its way may never arrive.
    """
    if not any(worker.state is WorkerState.IDLE and worker.pod not in needed for worker in workers):
        return []
    joined = Counter(worker.type for worker in workers if worker.state in JOINED)
    leaves: list[Leave] = []
    known = {offer.name: offer for offer in offers}
    spare = [
        unit
        for unit in units_of(workers)
        if unit.type in known and _is_spare(unit, known[unit.type].idle_timeout, needed, idle_for)
    ]
    for unit in sorted(spare, key=lambda unit: (-min(map(idle_for, unit.members)), unit.members[0].pod)):
        offer = known[unit.type]
        if joined[unit.type] - len(unit.members) >= offer.minimum:
            joined[unit.type] -= len(unit.members)
            leaves += [
                Leave(
                    worker.pod,
                    worker.type,
                    worker.node_id,
                    DrainReason.IDLE,
                    f"idle for {idle_for(worker):.0f} s",
                )
                for worker in unit.members
            ]
    return leaves


def _is_spare(
    unit: Unit, timeout: Seconds, needed: frozenset[str], idle_for: Callable[[Worker], Seconds]
) -> bool:
    return all(
        worker.state is WorkerState.IDLE and worker.pod not in needed and idle_for(worker) >= timeout
        for worker in unit.members
    )


def waits_in_vain(
    workers: Sequence[Worker],
    offers: Sequence[TypeOffer],
    unneeded_since: Mapping[str, Monotonic],
    now: Monotonic,
) -> list[Leave]:
    """Return the pods without a Kubernetes node that nothing has needed for a while, the youngest first."""
    if not unneeded_since:
        return []
    left = Counter(worker.type for worker in workers if worker.state in COUNTED)
    leaves: list[Leave] = []
    known = {offer.name: offer for offer in offers}
    vain = [
        unit
        for unit in units_of(workers)
        if unit.type in known and all(_is_forgotten(each, unneeded_since, now) for each in unit.members)
    ]
    for unit in sorted(vain, key=lambda unit: (min(w.age for w in unit.members), unit.members[0].pod)):
        offer = known[unit.type]
        if left[unit.type] - len(unit.members) >= offer.minimum:
            left[unit.type] -= len(unit.members)
            leaves += [
                Leave(
                    worker.pod,
                    worker.type,
                    NodeId(""),
                    None,
                    f"{_what_it_waits_for(worker)}, and nothing has needed it for {PATIENCE:.0f} s",
                )
                for worker in unit.members
            ]
    return leaves


def _is_forgotten(worker: Worker, unneeded_since: Mapping[str, Monotonic], now: Monotonic) -> bool:
    waiting = worker.state in UNSCHEDULED or worker.state is WorkerState.STUCK
    return waiting and now - unneeded_since.get(worker.pod, now) >= PATIENCE
