"""Which of the launches that a plan wants are made now: what upscalingSpeed and the last plan allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from rayctl.api.names import TypeName
from rayctl.core.autoscale.attempt import Outcome, new_cells
from rayctl.core.autoscale.axes import Key
from rayctl.core.autoscale.board import Nomination
from rayctl.core.autoscale.ledger import Batch, Cause
from rayctl.core.autoscale.space import Cell, Load, Space
from rayctl.core.autoscale.workers import JOINED, UNJOINED, Worker

_LEAST_AT_ONCE = 5
"""Units that may be launching at once however slow the user wants it: Ray's own rule."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Pods of each type."""

    now: Mapping[TypeName, int]
    later: Mapping[TypeName, int]
    """Held back by upscalingSpeed."""
    pods: tuple[int, ...]
    """Of each batch, how many pods are launched now."""


def most_at_once(running: int, speed: float) -> int:
    """Return how many units of a type may be launching at once: at least 5, else ``speed`` times ``running``.

    Rounded up: a fraction of a worker is a worker. The speed is taken as the decimal that the user wrote.
    """
    return max(_LEAST_AT_ONCE, ceil(Fraction(str(speed)) * running))


def grant(
    batches: Sequence[Batch],
    workers: Iterable[Worker],
    speed: float,
    owed: Mapping[TypeName, int] | None,
) -> Grant:
    """Return what is launched now, in the order of what it is for: minimums, requests, gangs, tasks.

    ``owed`` is how many pods of each type the last plan still owes, None where that is no bound.
    """
    running: dict[TypeName, int] = {}
    coming: dict[TypeName, int] = {}
    for worker in workers:
        if worker.state in JOINED:
            running[worker.type] = running.get(worker.type, 0) + 1
        elif worker.state in UNJOINED:
            coming[worker.type] = coming.get(worker.type, 0) + 1
    now: dict[TypeName, int] = {}
    wanted: dict[TypeName, int] = {}
    pods: list[int] = []
    for batch in batches:
        name, hosts = batch.type, batch.hosts
        units = batch.units
        if owed is not None:
            units = max(0, min(units, owed.get(name, 0) // hosts - wanted.get(name, 0) // hosts))
        wanted[name] = wanted.get(name, 0) + units * hosts
        if batch.cause is Cause.TASK:
            most = most_at_once(running.get(name, 0) // hosts, speed)
            launching = (coming.get(name, 0) + now.get(name, 0)) // hosts
            units = max(0, min(units, most - launching))
        now[name] = now.get(name, 0) + units * hosts
        pods.append(units * hosts)
    return Grant(
        now={name: count for name, count in now.items() if count},
        later={name: count - now[name] for name, count in wanted.items() if count > now[name]},
        pods=tuple(pods),
    )


def nominations_of(outcome: Outcome, granted: Grant) -> Mapping[TypeName, tuple[Nomination, ...]]:
    """Return what each pod that is launched now is for: requests as they lie on whole nodes, and the rest."""
    requests, rest = _by_type(outcome.whole, granted), _by_type(outcome.free, granted)
    return {
        name: tuple(
            (*(requests[name][index] if index < len(requests.get(name, ())) else ()), *nomination)
            for index, nomination in enumerate(nominations)
        )
        for name, nominations in rest.items()
    }


def nomination(load: Load) -> Nomination:
    """Return a load as it is remembered; the same demand placed twice as one."""
    totals: dict[Key, int] = {}
    for group, times in load:
        totals[group.key] = totals.get(group.key, 0) + times
    return tuple(totals.items())


def _by_type(space: Space, granted: Grant) -> dict[TypeName, list[Nomination]]:
    found: dict[TypeName, list[Nomination]] = {}
    for cell, count in _granted(space, granted):
        found.setdefault(cell.site.type, []).extend([nomination(cell.load)] * count)
    return found


def _granted(space: Space, granted: Grant) -> Iterator[tuple[Cell, int]]:
    """Yield the cells of nodes that are launched now with how many, the fullest of each batch first."""
    left = list(granted.pods)
    cells = new_cells(space)
    cells.sort(key=lambda cell: (cell.site.batch, cell.order))
    for cell in cells:
        count = min(cell.size, left[cell.site.batch])
        if count:
            left[cell.site.batch] -= count
            yield cell, count
