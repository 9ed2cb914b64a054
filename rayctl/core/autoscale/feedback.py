"""What Ray is told of our plan, for ``ray status`` and the dashboard on the head.

Ray shows one line for each PendingRequest whatever else it carries, and gives up tasks whose shape is among
the infeasible ones where the user asked it to: only shapes that no type could ever hold belong there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from rayctl.api.moment import Monotonic
from rayctl.api.names import TypeName
from rayctl.core.autoscale.axes import Purpose
from rayctl.core.autoscale.block import Block
from rayctl.core.autoscale.demand import Demand, Gang
from rayctl.core.autoscale.explain import Unmet, Verdict
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.workers import UNJOINED, Worker, WorkerState

_MOST_REQUESTS = 100
"""Lines of ``ray status`` that pods which are not there yet may fill."""

_MOST_INFEASIBLE = 1000
"""Shapes of each kind that are told at once; when Ray has given these up, the next come."""


@dataclass(frozen=True, slots=True)
class PendingInstance:
    """A pod that is there and has not joined Ray."""

    pod: str
    type: str
    details: str
    """What it waits for: ``Scheduling``, ``ImagePullBackOff: …``; Ray shows it in lower case."""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A pod that is wanted and not there yet."""

    type: str


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A type whose pods can't be had at the moment, and why."""

    type: str
    count: int
    reason: str
    since: float
    """Seconds since the epoch, as ``failed_at``."""
    failed_at: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """All that Ray is told at once; the latest replaces what it was told before."""

    pending_instances: tuple[PendingInstance, ...] = ()
    pending_requests: tuple[PendingRequest, ...] = ()
    failed_requests: tuple[FailedRequest, ...] = ()
    infeasible: tuple[Demand, ...] = ()
    infeasible_gangs: tuple[Gang, ...] = ()
    infeasible_constraint: tuple[Demand, ...] = ()


def feedback(situation: Situation, outcome: Plan, wall: float) -> Feedback:
    """Return what Ray is told of a plan made at ``wall``, in seconds since the epoch.

    What merely waits for a maximum is not told as infeasible: Ray gives up what it is told so of.
    """
    workers = situation.workers
    requested = [worker.type for worker in workers if worker.state is WorkerState.REQUESTED]
    launched = [name for name, pods in outcome.launch.items() for _ in range(min(pods, _MOST_REQUESTS))]
    hopeless = [unmet for unmet in outcome.unmet if unmet.verdict is Verdict.INFEASIBLE]
    return Feedback(
        pending_instances=tuple(
            PendingInstance(worker.pod, worker.type, _details(worker), worker.ip)
            for worker in sorted(workers, key=lambda worker: worker.pod)
            if worker.state in UNJOINED - {WorkerState.REQUESTED} or worker.state is WorkerState.STUCK
        ),
        pending_requests=tuple(PendingRequest(name) for name in (requested + launched)[:_MOST_REQUESTS]),
        failed_requests=tuple(_failed(outcome.memory.blocks, workers, wall, situation.now)),
        infeasible=tuple(_demands(hopeless, Purpose.TASK)),
        infeasible_gangs=tuple(
            islice((each.subject for each in hopeless if isinstance(each.subject, Gang)), _MOST_INFEASIBLE)
        ),
        infeasible_constraint=tuple(_demands(hopeless, Purpose.REQUEST)),
    )


def _demands(unmet: Iterable[Unmet], purpose: Purpose) -> Iterable[Demand]:
    found = (each.subject for each in unmet if each.purpose is purpose and isinstance(each.subject, Demand))
    return islice(found, _MOST_INFEASIBLE)


def _details(worker: Worker) -> str:
    if worker.why:
        return worker.why
    return "Starting" if worker.state is WorkerState.STARTING else "Scheduling"


def _failed(
    blocks: Mapping[TypeName, Block], workers: Iterable[Worker], wall: float, now: Monotonic
) -> Iterable[FailedRequest]:
    stuck = [worker.type for worker in workers if worker.state is WorkerState.STUCK]
    for name, block in blocks.items():
        if block.level:
            since = float(round(wall - (now - block.since)))  # two clocks never differ by quite the same
            reason = f"{block.cause}: {block.message}" if block.message else str(block.cause)
            yield FailedRequest(name, max(1, stuck.count(name)), reason, since, since)
