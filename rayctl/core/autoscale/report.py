"""The monitoring block that the legacy operators logged: its lines, in its order, with what is true today.

Its names are grepped for by people's scripts. Sources of the numbers, one by one: docs/autoscaling.md. Memory
is in GiB where a unit is named and in bytes in the lists, as Ray has it now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import islice

from rayctl.core.autoscale.demand import GRAIN, Amounts, Demand, Gang, Shape
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.weight import is_mark
from rayctl.core.autoscale.workers import ALIVE, COUNTED, UNJOINED, Worker, WorkerState

_MOST_SHAPES = 20
"""That a line lists; the rest is counted."""

_MOST_NODES = 100
"""Likewise: the block is made for each plan, and a thousand nodes would fill the log with little else."""

_LONGEST = 100_000
"""Characters of an entry."""

_MOST_DELAYED = 5
_AGES = (" - MostDelayedHeartbeats", " - NodeIdleSeconds", " - TimeSinceLastHeartbeat")
_BYTES = frozenset({"memory", "object_store_memory"})
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Entry:
    """One log record; ``text`` may have several lines."""

    text: str
    debug: bool = False


def monitoring_block(situation: Situation, outcome: Plan) -> tuple[Entry, ...]:
    """Return the block for a plan."""
    workers = situation.workers
    living = [worker for worker in workers if worker.state in ALIVE or worker.state is WorkerState.DRAINING]
    living.sort(key=lambda worker: (worker.state is not WorkerState.HEAD, worker.ip, worker.pod))
    asked = situation.asked
    block = (
        Entry("\n".join(_status(situation, living))),
        Entry(f"Cluster resources: {_resources(living)}"),
        Entry(f"Node counts: {_node_counts(workers)}"),
        Entry(f"Placement group demands: {_gangs(asked.gangs)}"),
        Entry(f"Resource demands: {_demands((each.shape, each.count) for each in asked.demands)}"),
        Entry(f"Unfulfilled demands: {_demands(_unfulfilled(outcome))}"),
        Entry(f"Node requests: {dict(outcome.launch)}"),
        *_up_to_date(situation),
    )
    return tuple(replace(entry, text=_cut(entry.text)) for entry in block)


def _cut(text: str) -> str:
    """Return a text that no log suffers from, however long the names are that a head makes up."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def without_ages(block: Iterable[Entry]) -> tuple[str, ...]:
    """Return the lines of a block that do not change by time alone: equal ones mean that nothing happened."""
    lines = (line for entry in block for line in entry.text.split("\n"))
    return tuple(line for line in lines if not line.startswith(_AGES))


def _status(situation: Situation, living: Sequence[Worker]) -> Iterable[str]:
    age = max(0.0, situation.now - situation.asked.at)
    ours = [worker for worker in living if worker.state not in {WorkerState.HEAD, WorkerState.FOREIGN}]
    yield f"Cluster status: {len(ours)} nodes"
    delayed = {worker.ip: age for worker in islice(living, _MOST_DELAYED)}
    yield f" - MostDelayedHeartbeats: {delayed}"
    yield f" - NodeIdleSeconds: {_spread([_idle(worker, age) for worker in living])}"
    yield f" - ResourceUsage: {', '.join(_usage(living))}"
    yield f" - TimeSinceLastHeartbeat: {_spread([age for _ in living])}"
    yield "Worker node types:"
    pending = Counter(worker.type for worker in situation.workers if worker.state in UNJOINED)
    there = Counter(worker.type for worker in ours) + pending
    for name, count in sorted(there.items()):
        yield f" - {name}: {count}" + (f" ({pending[name]} pending)" if pending[name] else "")


def _idle(worker: Worker, age: float) -> float:
    return worker.idle + age if worker.idle else 0.0


def _spread(values: Sequence[float]) -> str:
    """Return the least, mean and most in whole seconds; -1 where there is none, as it always was."""
    if not values:
        return "Min=-1 Mean=-1 Max=-1"
    mean = sum(values) / len(values)
    return f"Min={int(min(values))} Mean={int(mean)} Max={int(max(values))}"


def _usage(living: Iterable[Worker]) -> Iterable[str]:
    total: Counter[str] = Counter()
    available: Counter[str] = Counter()
    for worker in living:
        total.update(worker.total)
        available.update(worker.available)
    for name in sorted(total):
        if not is_mark(name):
            used = total[name] - available[name]
            if name in _BYTES:
                yield f"{_gib(used)} GiB/{_gib(total[name])} GiB {name}"
            else:
                yield f"{round(used / GRAIN, 2)}/{round(total[name] / GRAIN, 2)} {name}"


def _gib(amount: int) -> float:
    return round(amount / GRAIN / _GIB, 2)


def _resources(living: Sequence[Worker]) -> str:
    shown = [str(_plain(worker.available)) for worker in living[:_MOST_NODES]]
    return _listed(shown, len(living))


def _plain(amounts: Amounts | Shape) -> dict[str, float]:
    items = amounts.items() if isinstance(amounts, Mapping) else amounts
    return {name: amount / GRAIN for name, amount in sorted(items)}


def _node_counts(workers: Iterable[Worker]) -> str:
    """Return nodes of each type, the head and those on their way included, in the words of old."""
    counts = Counter(
        worker.type
        for worker in workers
        if worker.state in ALIVE | UNJOINED or worker.state is WorkerState.DRAINING
    )
    return f"defaultdict(<class 'int'>, {dict(sorted(counts.items()))})"


def _gangs(gangs: Sequence[Gang]) -> str:
    return _listed(sorted(_gang(gang) for gang in gangs[:_MOST_SHAPES]), len(gangs))


def _gang(gang: Gang) -> str:
    bundles = " + ".join(_times(each.shape, each.count) for each in gang.bundles)
    return f"{gang.count} * {gang.strategy} ({bundles})" if gang.count > 1 else f"{gang.strategy} ({bundles})"


def _demands(demands: Iterable[tuple[Shape, int]]) -> str:
    totals: Counter[Shape] = Counter()
    for shape, count in demands:
        totals[shape] += count
    shown = [_times(shape, totals[shape]) for shape in nsmallest(_MOST_SHAPES, totals)]
    return _listed(shown, len(totals))


def _times(shape: Shape, count: int) -> str:
    return f"{_plain(shape)}" if count == 1 else f"{_plain(shape)} * {count}"


def _listed(shown: Sequence[str], count: int) -> str:
    """Return a list of texts, and how many more there are."""
    more = [f"… {count - len(shown)} more"] if count > len(shown) else []
    return f"[{', '.join([*shown, *more])}]"


def _unfulfilled(outcome: Plan) -> Iterable[tuple[Shape, int]]:
    """Yield what neither the nodes that are there nor those on their way will take."""
    for coming in outcome.coming:
        yield from coming.shapes
    for unmet in outcome.unmet:
        if isinstance(unmet.subject, Demand):
            yield unmet.subject.shape, unmet.subject.count
        else:
            for bundle in unmet.subject.bundles:
                yield bundle.shape, bundle.count * unmet.subject.count


def _up_to_date(situation: Situation) -> Iterable[Entry]:
    """Yield a line for each worker whose template is the spec's."""
    current = {offer.name: offer.fingerprint for offer in situation.offers}
    pods = [
        worker.pod
        for worker in situation.workers
        if worker.state in COUNTED and worker.fingerprint == current.get(worker.type)
    ]
    for pod in nsmallest(_MOST_NODES, pods):
        text = f"{pod} is not being updated and passes config check (can_update=True)."
        yield Entry(text, debug=True)
    if len(pods) > _MOST_NODES:
        yield Entry(f"Nor are {len(pods) - _MOST_NODES} more being updated.", debug=True)
