"""What the planner takes from one plan to the next: a value that goes in and comes out.

All of it may be lost, as when another operator takes over: then nothing is removed for half a minute, and
at worst a node too many is launched. The Basis is what keeps a plan from being made twice: as long as nothing
has come that the last plan did not know of, no more is launched than it wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.asked import Wishes
from rayctl.core.autoscale.block import Block
from rayctl.core.autoscale.board import Nomination
from rayctl.core.autoscale.demand import Amounts, Demand, GroupId, Snapshot
from rayctl.core.autoscale.offer import Learnt, TypeOffer
from rayctl.core.autoscale.workers import ALIVE, JOINED, UNJOINED, Worker

SAY_AGAIN: Seconds = 300.0
"""What goes and comes back sooner is not said again: a queue that is full now and then would fill the log."""

SETTLING: Seconds = 30.0
"""After a change of leader, of session, or a restart of the GCS, nothing is removed for so long."""

_LONG_AGO = Monotonic(0.0)

Capacity: TypeAlias = tuple[Amounts, Mapping[str, str], frozenset[GroupId]]
"""What a living node has available, its labels, and the placement groups on it."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made from, and what is to be there once it is carried out."""

    offers: tuple[TypeOffer, ...]
    cluster_maximum: int
    allowance: Mapping[TypeName, int]
    wishes: Wishes
    capacity: Mapping[tuple[str, str], Capacity]
    """(pod, node id) → what a living node had."""
    counts: Mapping[TypeName, int]
    """Pods of each type, launched ones included."""
    coming: Mapping[TypeName, int]
    """Those of them on their way into Ray."""
    planned: Mapping[TypeName, int]
    """The same with those that were wanted and held back."""
    complete: bool
    """Whether all that is asked for has a place; what is left out may get one as soon as anything changes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one cluster."""

    session: str = ""
    version: int = 0
    request: tuple[Demand, ...] = ()
    """What request_resources asks for."""
    forgotten: tuple[Demand, ...] = ()
    """The part of it that a GCS which started anew has forgotten, and is to be told again."""
    settled_at: Monotonic = _LONG_AGO
    """Before that nothing is removed that could still be of use."""
    restarted: bool = False
    """Whether that is since the GCS started anew in the same session: what it misses may be there yet."""
    joined: frozenset[str] = frozenset()
    """Pods whose node lived at the last look or before, as far as they are still there."""
    needed: frozenset[str] = frozenset()
    """Pods that the last plan put something on."""
    held: frozenset[str] = frozenset()
    """Those of them that request_resources is about."""
    unneeded_since: Mapping[str, Monotonic] = field(default_factory=dict)
    """Pods without a node that no plan needed, since when."""
    kept_at: Mapping[str, Monotonic] = field(default_factory=dict)
    """Pods whose drain Ray refused, when."""
    nominations: Mapping[str, Nomination] = field(default_factory=dict)
    """What pods that have not joined were launched for."""
    unbound: Mapping[TypeName, tuple[Nomination, ...]] = field(default_factory=dict)
    """The same of pods that were launched by the last plan and had no name yet."""
    basis: Basis | None = None
    blocks: Mapping[TypeName, Block] = field(default_factory=dict)
    learnt: Mapping[TypeName, Learnt] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    """What stands."""
    said: Mapping[str, Monotonic] = field(default_factory=dict)
    """What has been said, and when it stood last; it is said again when it comes back after a while."""


def fresh_memory(now: Monotonic) -> Memory:
    """Return what is known of a cluster on taking it over."""
    return Memory(settled_at=Monotonic(now + SETTLING))


def drain_refused(memory: Memory, pod: str, now: Monotonic) -> Memory:
    """Return the memory after Ray refused to drain a pod's node as idle: it has the whole time-out again."""
    return replace(memory, kept_at={**memory.kept_at, pod: now})


def look(memory: Memory, snapshot: Snapshot, now: Monotonic) -> Memory:
    """Return the memory after an answer of the GCS.

    A smaller version in the same session is a GCS that started anew from its store: it knows its nodes, and
    not what request_resources had asked for. Another session knows nothing of before.
    """
    settled_at = Monotonic(now + SETTLING)
    if memory.session and snapshot.session != memory.session:
        memory = replace(
            memory,
            settled_at=settled_at,
            restarted=False,
            forgotten=(),
            needed=frozenset(),
            held=frozenset(),
            kept_at={},
            basis=None,
        )
    elif snapshot.version < memory.version:
        memory = replace(memory, settled_at=settled_at, restarted=True, forgotten=memory.request)
    forgotten = () if snapshot.constraint or now >= memory.settled_at else memory.forgotten
    return replace(
        memory,
        session=snapshot.session,
        version=snapshot.version,
        request=snapshot.constraint or forgotten,
        forgotten=forgotten,
    )


def recall(memory: Memory, workers: Iterable[Worker]) -> Mapping[str, Nomination]:
    """Return what each worker on its way was launched for; new ones share what the last plan launched."""
    free = {name: iter(nominations) for name, nominations in memory.unbound.items()}
    recalled: dict[str, Nomination] = {}
    for worker in sorted(workers, key=lambda worker: worker.pod):
        if worker.state in UNJOINED:
            known = memory.nominations.get(worker.pod)
            if known is None and worker.type in free:
                known = next(free[worker.type], None)
            if known is not None:
                recalled[worker.pod] = known
    return recalled


def capacity_of(workers: Iterable[Worker]) -> Mapping[tuple[str, str], Capacity]:
    """Return what living nodes have now."""
    return {
        (worker.pod, worker.node_id): (worker.available, worker.labels, worker.groups)
        for worker in workers
        if worker.state in ALIVE
    }


def still_owed(basis: Basis | None, now: Basis, workers: Sequence[Worker]) -> Mapping[TypeName, int] | None:
    """Return how many pods of each type the last plan still owes, if it is enough for what is there now.

    ``now`` is the basis of the present plan before anything is launched. None: there is something that the
    last plan did not know of, so what it wanted is no bound.
    """
    if basis is None or not _covers(basis, now):
        return None
    on_the_way = dict(now.coming)
    for worker in workers:
        if worker.state in ALIVE and (worker.pod, worker.node_id) not in basis.capacity:
            if worker.state not in JOINED or worker.available != worker.total:
                return None
            on_the_way[worker.type] = on_the_way.get(worker.type, 0) + 1
    if any(on_the_way.get(name, 0) < count for name, count in basis.coming.items()):
        return None
    return {name: max(0, planned - on_the_way.get(name, 0)) for name, planned in basis.planned.items()}


def _covers(basis: Basis, now: Basis) -> bool:
    """Return whether a plan made for one basis is as good for another."""
    if not basis.complete and (
        basis.wishes != now.wishes
        or any(now.capacity.get(node) != had for node, had in basis.capacity.items())
    ):
        return False
    return (
        basis.offers == now.offers
        and basis.cluster_maximum == now.cluster_maximum
        and basis.allowance.keys() == now.allowance.keys()
        and all(units >= now.allowance[name] for name, units in basis.allowance.items())
        and _asks_no_more(now.wishes, basis.wishes)
        and all(now.counts.get(name, 0) >= count for name, count in basis.counts.items())
        and all(_no_less(had, now.capacity.get(node)) for node, had in basis.capacity.items())
    )


def _asks_no_more(now: Wishes, before: Wishes) -> bool:
    return now == before or (
        all(before.tasks.get(what, 0) >= count for what, count in now.tasks.items())
        and all(before.request.get(what, 0) >= count for what, count in now.request.items())
        and all(before.gangs.get(gang, 0) >= count for gang, count in now.gangs.items())
    )


def _no_less(had: Capacity, has: Capacity | None) -> bool:
    if has is None:
        return False
    return had == has or (
        had[1] == has[1]
        and had[2] >= has[2]
        and all(has[0].get(name, 0) >= amount for name, amount in had[0].items())
    )
