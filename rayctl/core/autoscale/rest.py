"""A cluster at rest: nothing is asked of it, nobody is on the way in or out, nobody may go.

As long as the head's answers say no more than that, the next plan would be the last one again, and is not
made: of many clusters nearly all are at rest, and a plan costs as much as the asking.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from rayctl.api.moment import Monotonic, Seconds
from rayctl.core.autoscale.demand import NodeId, NodeStatus, Other, Snapshot
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.workers import COUNTED, JOINED

AT_MOST: Seconds = 5.0
"""A plan is made after so long, whatever the answers say: some things come of time alone."""

Standing: TypeAlias = frozenset[tuple[NodeId, str, NodeStatus | Other]]
"""Nodes, their pods and how they are; not for how long they have been idle, nor what of them is in use."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is so as long as a cluster rests."""

    session: str
    version: int
    nodes: Standing
    until: Monotonic

    def goes_on(self, answer: Snapshot, now: Monotonic) -> bool:
        """Return whether an answer says nothing new."""
        return (
            now < self.until
            and answer.session == self.session
            and answer.version >= self.version
            and not _asks(answer)
            and _standing(answer) == self.nodes
        )


def rest_of(situation: Situation, made: Plan) -> Rest | None:
    """Return the rest that begins with a plan; None: there is something to do, or to wait for."""
    asked, memory = situation.asked, made.memory
    if _asks(asked) or made.leave or made.remarks or made.restore:
        return None
    if memory.request or memory.blocks or memory.told or memory.kept_at:
        return None
    ours = [worker for worker in situation.workers if worker.state in COUNTED]
    if any(worker.state not in JOINED for worker in ours):
        return None
    if Counter(worker.type for worker in ours) != Counter(
        {offer.name: offer.minimum for offer in situation.offers}
    ):
        return None
    return Rest(asked.session, asked.version, _standing(asked), Monotonic(situation.now + AT_MOST))


def _asks(answer: Snapshot) -> bool:
    return bool(answer.demands or answer.gangs or answer.constraint or answer.left_out)


def _standing(answer: Snapshot) -> Standing:
    return frozenset((node.node_id, node.pod, node.status) for node in answer.nodes)
