"""Situations with defaults, and what becomes of them: a test names only what it is about.

Types are those of the design's table: a = 4 CPU, b = 8 CPU, g = 4 CPU + 1 GPU, at most 10 of each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from rayctl.api.moment import Monotonic
from rayctl.api.names import NODE_GROUP, TypeName
from rayctl.core.autoscale.demand import (
    GRAIN,
    Demand,
    Gang,
    NodeId,
    Selector,
    Shape,
    Snapshot,
    Strategy,
    Term,
)
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.workers import COUNTED, PodVerdict, Worker, WorkerState

GIB = 1 << 30
NOW = Monotonic(10_000.0)


def amounts(**resources: float) -> dict[str, int]:
    """Resources as the planner counts them; memory in GiB."""
    return {
        name: round(value * GRAIN) * (GIB if name == "memory" else 1) for name, value in resources.items()
    }


def shape(**resources: float) -> Shape:
    return tuple(sorted(amounts(**resources).items()))


def an_offer(name: str, *, labels: Mapping[str, str] | None = None, **fields: Any) -> TypeOffer:
    """A pod type; keywords that are no field of TypeOffer are its resources."""
    known = {"minimum", "maximum", "idle_timeout", "priority", "hosts", "fingerprint"}
    given = {key: fields.pop(key) for key in list(fields) if key in known}
    return TypeOffer(
        name=TypeName(name),
        resources=amounts(**fields),
        labels={**(labels or {}), NODE_GROUP: name},
        **{"maximum": 10, "idle_timeout": 60.0, **given},
    )


A = an_offer("a", CPU=4)
B = an_offer("b", CPU=8)
G = an_offer("g", CPU=4, GPU=1)


def demand(times: int = 1, **resources: float) -> Demand:
    return Demand(shape(**resources), times)


def anywhere_of(*selectors: Selector, **resources: float) -> Demand:
    """One demand with its selectors in order."""
    return Demand(shape(**resources), 1, selectors)


def is_in(key: str, *values: str) -> Selector:
    return (Term(key, True, frozenset(values)),)


def not_in(key: str, *values: str) -> Selector:
    return (Term(key, False, frozenset(values)),)


def gang(strategy: Strategy, *bundles: Demand, **fields: Any) -> Gang:
    return Gang(strategy, bundles, **fields)


_NUMBERS = count()


def a_worker(offer: TypeOffer, state: WorkerState = WorkerState.RUNNING, **fields: Any) -> Worker:
    """A worker of a type in some state: running means that it is full, idle that it has been for a minute."""
    number = next(_NUMBERS)
    joined = state in {WorkerState.RUNNING, WorkerState.IDLE, WorkerState.DRAINING}
    given: dict[str, Any] = {
        "pod": f"pod-{number:05}",
        "type": offer.name,
        "state": state,
        "node_id": NodeId(f"{number:056x}" if joined else ""),
        "total": offer.resources if joined else {},
        "available": offer.resources if state is WorkerState.IDLE else {},
        "labels": offer.labels if joined else {},
        "idle": 61.0 if state is WorkerState.IDLE else 0.0,
        "verdict": _VERDICTS.get(state, PodVerdict.READY),
    }
    return Worker(**given | fields)


def a_slice(offer: TypeOffer, *states: WorkerState, **fields: Any) -> tuple[Worker, ...]:
    """One unit of a type: a worker for each of its hosts, in these states, the last for all that follow."""
    name = f"slice-{next(_NUMBERS)}" if offer.hosts > 1 else ""
    wanted = (*states, *[states[-1]] * (offer.hosts - len(states)))
    return tuple(a_worker(offer, state, slice=name, **fields) for state in wanted)


_VERDICTS = {
    WorkerState.REQUESTED: PodVerdict.REQUESTED,
    WorkerState.PENDING: PodVerdict.PENDING,
    WorkerState.STARTING: PodVerdict.STARTING,
    WorkerState.STUCK: PodVerdict.UNSCHEDULABLE,
    WorkerState.TERMINATING: PodVerdict.TERMINATING,
}


def a_snapshot(*asked: Demand | Gang, request: Iterable[Demand] = (), **fields: Any) -> Snapshot:
    given: dict[str, Any] = {
        "session": "session_1",
        "version": 1,
        "at": NOW,
        "nodes": (),
        "demands": tuple(each for each in asked if isinstance(each, Demand)),
        "gangs": tuple(each for each in asked if isinstance(each, Gang)),
        "constraint": tuple(request),
    }
    return Snapshot(**given | fields)


def a_situation(
    *asked: Demand | Gang,
    types: Iterable[TypeOffer] = (A, B, G),
    workers: Iterable[Worker] = (),
    request: Iterable[Demand] = (),
    **fields: Any,
) -> Situation:
    given: dict[str, Any] = {
        "offers": tuple(types),
        "cluster_maximum": 10_000,
        "speed": 1.0,
        "workers": tuple(workers),
        "asked": a_snapshot(*asked, request=request),
        "memory": Memory(session="session_1", version=1),
        "now": NOW,
    }
    return Situation(**given | fields)


def planned(*asked: Demand | Gang, **fields: Any) -> Plan:
    """Return the plan for a situation, all of whose fields have defaults."""
    return plan(a_situation(*asked, **fields))


def launched(situation: Situation, outcome: Plan, after: float = 1.0) -> Situation:
    """Return the situation a moment later: what the plan launched waits, what it sent away is about to go."""
    leaving = {leave.pod for leave in outcome.leave}
    kept = [
        replace(worker, state=WorkerState.DRAINING)
        if worker.pod in leaving and worker.state in COUNTED
        else worker
        for worker in situation.workers
    ]
    by_name = {offer.name: offer for offer in situation.offers}
    new = [
        worker
        for name, pods in outcome.launch.items()
        for _ in range(pods // by_name[name].hosts)
        for worker in a_slice(by_name[name], WorkerState.PENDING)
    ]
    now = Monotonic(situation.now + after)
    return replace(
        situation,
        workers=(*kept, *new),
        memory=outcome.memory,
        now=now,
        asked=replace(situation.asked, at=now, version=situation.asked.version + 1),
    )
