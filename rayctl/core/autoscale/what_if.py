"""What would come of one more demand: the planner's own answer, without a cluster to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayctl.api.moment import Monotonic
from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import Demand, Snapshot
from rayctl.core.autoscale.explain import TypeReason, Verdict
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import Worker, WorkerState

_NOW = Monotonic(1_000_000.0)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a demand has to expect when all nodes that are there are full."""

    launched: TypeName | None
    """The type of which a node would be made; None: none would."""
    verdict: Verdict | None
    """Where none would be made, whether waiting helps; None: even a full node has what it asks for."""
    reasons: tuple[TypeReason, ...]


def prospect_of(
    demand: Demand, offers: Sequence[TypeOffer], cluster_maximum: int, there: Mapping[TypeName, int]
) -> Prospect:
    """Return what would come of ``demand``; ``there`` are the workers of each type, all taken to be full."""
    full = (
        Worker(f"{offer.name}-{number}", offer.name, WorkerState.RUNNING, total=offer.resources)
        for offer in offers
        for number in range(there.get(offer.name, 0))
    )
    asked = Snapshot(session="", version=1, at=_NOW, nodes=(), demands=(demand,))
    made = plan(Situation(tuple(offers), cluster_maximum, 1.0, tuple(full), asked, Memory(version=1), _NOW))
    if made.unmet:
        return Prospect(None, made.unmet[0].verdict, made.unmet[0].reasons)
    for coming in made.coming:
        return Prospect(next(iter(coming.chosen)), None, coming.reasons)
    return Prospect(None, None, ())
