"""What goes wrong: drawn from a seed, then inflicted. Several faults may be under way at once."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from e2e.cluster.interface import Component
from e2e.cluster.local import LocalCluster
from e2e.faults.etcd import Recorder
from e2e.faults.hands import Hands
from e2e.faults.history import Fault
from e2e.faults.proxy import Ambush, Trouble
from e2e.faults.replicas import LEASE_SECONDS, Replica
from e2e.faults.workload import STEADY
from rayctl.kube.errors import KubeError

_STEP_WITHIN = 2.0
"""Seconds for which a signal waits for its step; then it is sent all the same."""
_LAST_STEP = 8


class Blow(StrEnum):
    """What may happen beside the troubles of a line; the texts head the table of counts."""

    KILL = "SIGKILL"
    TERM = "SIGTERM"
    STOP = "SIGSTOP, SIGCONT"
    KILL_AT_STEP = "SIGKILL at a step"
    TERM_AT_STEP = "SIGTERM at a step"
    STOP_AT_STEP = "SIGSTOP at a step, SIGCONT"
    BLIND_AND_UNHEARD = "answers lost and watches stalled from a step on"
    APISERVER_KILLED = "API server killed"
    APISERVER_RESTARTED = "API server restarted"
    ETCD_STOPPED = "etcd stopped"
    POD_DELETED = "pod deleted"
    POD_REMOVED = "pod deleted without grace"
    POD_FAILED = "pod failed"
    POD_EDITED = "pod edited"
    POD_MARKED = "pod marked to be replaced"
    NODE_LOST = "node lost"
    LEASE_STOLEN = "Lease stolen"
    LEASE_DELETED = "Lease deleted"
    LEASE_EDITED = "Lease edited"


Kind = Blow | Trouble

WEIGHTS: Mapping[Kind, int] = {
    **dict.fromkeys(Trouble, 4),
    Blow.KILL: 8,
    Blow.TERM: 8,
    Blow.STOP: 10,
    Blow.KILL_AT_STEP: 8,
    Blow.TERM_AT_STEP: 6,
    Blow.STOP_AT_STEP: 8,
    Blow.BLIND_AND_UNHEARD: 8,
    Blow.APISERVER_KILLED: 1,
    Blow.APISERVER_RESTARTED: 1,
    Blow.ETCD_STOPPED: 1,
    Blow.POD_DELETED: 12,
    Blow.POD_REMOVED: 8,
    Blow.POD_FAILED: 8,
    Blow.POD_EDITED: 6,
    Blow.POD_MARKED: 6,
    Blow.NODE_LOST: 6,
    Blow.LEASE_STOLEN: 4,
    Blow.LEASE_DELETED: 6,
    Blow.LEASE_EDITED: 8,
}
_SIGNALS = {
    Blow.KILL: signal.SIGKILL,
    Blow.TERM: signal.SIGTERM,
    Blow.STOP: signal.SIGSTOP,
    Blow.KILL_AT_STEP: signal.SIGKILL,
    Blow.TERM_AT_STEP: signal.SIGTERM,
    Blow.STOP_AT_STEP: signal.SIGSTOP,
}
_PLANE = {
    Blow.APISERVER_KILLED: (Component.APISERVER, True),
    Blow.APISERVER_RESTARTED: (Component.APISERVER, False),
    Blow.ETCD_STOPPED: (Component.ETCD, False),
}
_AT_STEP = frozenset({Blow.KILL_AT_STEP, Blow.TERM_AT_STEP, Blow.STOP_AT_STEP})


@dataclass(frozen=True, slots=True)
class Draw:
    """A fault to come. What it hits is chosen by ``pick`` among what is there when it comes."""

    kind: Kind
    on_leader: bool
    pick: int
    seconds: float
    step: int
    """At which of the leader's next writes, where it is at a step."""
    after_effect: bool


def draw(rng: random.Random, weights: Mapping[Kind, int] = WEIGHTS) -> Draw:
    """Return the next fault; the same seed gives the same faults."""
    kind = rng.choices(list(weights), list(weights.values()))[0]
    past_lease = rng.random() < (0.5 if kind in _SIGNALS else 0.1)
    long, short = (LEASE_SECONDS + 0.2, LEASE_SECONDS + 2.0), (0.1, 0.7)
    return Draw(
        kind=kind,
        on_leader=rng.random() < 0.5,
        pick=rng.randrange(2**30),
        seconds=rng.uniform(*(long if past_lease else short)),
        step=rng.randrange(_LAST_STEP),
        after_effect=rng.random() < 0.5,
    )


class Nemesis:
    """Inflicts what was drawn, and keeps what it did."""

    def __init__(self, bed: LocalCluster, fleet: list[Replica], recorder: Recorder, hands: Hands) -> None:
        self._bed = bed
        self._fleet = fleet
        self._recorder = recorder
        self._hands = hands
        self._plane = asyncio.Lock()
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def leader(self) -> Replica | None:
        """Return the replica that the Lease names, if any."""
        holder = self._recorder.holder
        return next((one for one in self._fleet if holder.startswith(f"{one.name}_")), None)

    async def inflict(self, due: Draw) -> None:
        """Do it, and undo what is to be undone. Counted only where there was something to hit."""
        try:
            if await self._do(due):
                self.counts[str(due.kind)] += 1
        except KubeError:
            pass  # the API server was away for the hand that should have done it: no fault of this kind

    async def _do(self, due: Draw) -> bool:
        match due.kind:
            case Trouble() as trouble:
                return await self._befall(due, trouble)
            case Blow.BLIND_AND_UNHEARD:
                return await self._blind(due)
            case kind if kind in _SIGNALS:
                return await self._signal(due, _SIGNALS[kind])
            case kind if kind in _PLANE:
                component, killed = _PLANE[kind]
                return await self._plane_without(due, component, killed=killed)
        self._note(due, "")
        return await self._by_hand(due, datetime.now(UTC))

    async def _by_hand(self, due: Draw, wall: datetime) -> bool:
        hands = self._hands
        match due.kind:
            case Blow.NODE_LOST:
                return await hands.lose_node(due.pick, due.seconds)
            case Blow.LEASE_STOLEN:
                return await hands.steal_lease(wall)
            case Blow.LEASE_DELETED:
                return await hands.delete_lease()
            case Blow.LEASE_EDITED:
                return await hands.edit_lease(wall, due.pick)
        pod = self._recorder.pick_pod(due.pick, STEADY)
        return pod is not None and await self._harm(pod, due)

    async def _harm(self, pod: str, due: Draw) -> bool:
        match due.kind:
            case Blow.POD_DELETED:
                return await self._hands.delete_pod(pod)
            case Blow.POD_REMOVED:
                return await self._hands.delete_pod(pod, grace=0)
            case Blow.POD_FAILED:
                return await self._hands.fail_pod(pod)
            case Blow.POD_EDITED:
                return await self._hands.label_pod(pod)
            case _:
                return await self._hands.mark_pod(pod, due.pick)

    def _note(self, due: Draw, what: str) -> None:
        self.faults.append(Fault(time.time(), f"{due.kind} {what}".strip()))

    def _victim(self, due: Draw) -> Replica:
        """Return the leader, or one of the others."""
        leader = self.leader()
        if due.on_leader and leader is not None:
            return leader
        others = [one for one in self._fleet if one is not leader]
        return others[due.pick % len(others)] if others else self._fleet[0]

    async def _befall(self, due: Draw, trouble: Trouble) -> bool:
        victim = self._victim(due)
        self._note(due, f"({victim.name}, {due.seconds:.1f} s)")
        victim.line.befall(trouble, due.seconds)
        await asyncio.sleep(due.seconds)
        return True

    async def _blind(self, due: Draw) -> bool:
        """From a write on, whose answer is the first to be lost: its watch has not told of it either."""
        victim = self._victim(due)

        def spring() -> None:
            victim.line.befall(Trouble.ANSWERS_LOST, due.seconds)
            victim.line.befall(Trouble.WATCHES_STALLED, due.seconds)

        await self._at_step(victim, Ambush(spring, due.step, after_effect=False))
        self._note(due, f"({victim.name}, {due.seconds:.1f} s)")
        await asyncio.sleep(due.seconds)
        return True

    async def _at_step(self, victim: Replica, ambush: Ambush) -> None:
        """Have something be sprung at one of the victim's next writes, or where none comes all the same."""
        sprung = asyncio.Event()

        def spring() -> None:
            # At once, and not when the loop comes round: the step would be over.
            if not sprung.is_set():
                ambush.spring()
                sprung.set()

        victim.line.lie_in_wait(Ambush(spring, ambush.countdown, ambush.after_effect))
        try:
            async with asyncio.timeout(_STEP_WITHIN):
                await sprung.wait()
        except TimeoutError:
            spring()

    async def _signal(self, due: Draw, number: signal.Signals) -> bool:
        victim = self._victim(due)
        if not victim.alive:
            return False
        if due.kind in _AT_STEP:
            await self._at_step(victim, Ambush(partial(victim.send, number), due.step, due.after_effect))
        self._note(due, f"({victim.name})")
        if number == signal.SIGSTOP:
            await victim.pause(due.seconds)
        elif due.kind not in _AT_STEP:
            victim.send(number)
        return True

    async def _plane_without(self, due: Draw, component: Component, *, killed: bool) -> bool:
        async with self._plane:
            self._note(due, f"({due.seconds:.1f} s)")
            await asyncio.to_thread(self._bed.kill if killed else self._bed.stop, component)
            try:
                await asyncio.sleep(due.seconds)
            finally:
                await asyncio.to_thread(self._bed.start, component)
                self._note(due, "is over")
            return True
