"""Types whose pods can't be had at the moment: left alone for a while, then tried with one unit as a probe.

A refusal by the API server and a pod that no Kubernetes node takes count at once; a pod whose image,
container or join fails only when three in a row did. Each further failure doubles the wait; a join, or
another template, ends it. Meanwhile the next fitting type is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.workers import JOINED, UNJOINED, PodVerdict, Worker, WorkerState

FIRST_WAIT: Seconds = 30.0
LONGEST_WAIT: Seconds = 600.0
PATIENCE = 3
"""Pods that may fail in a row before their type is left alone."""


_LONG_AGO = Monotonic(0.0)


class BlockCause(StrEnum):
    """What is wrong."""

    REFUSED = "refused by the API server"
    UNSCHEDULABLE = "unschedulable"
    FAILING = "failing to start"


@dataclass(frozen=True, slots=True)
class Block:
    """What is wrong with a type. ``level`` 0: some pods failed, not enough of them to leave it alone."""

    fingerprint: str
    """Of the template that was in trouble."""
    level: int = 0
    since: Monotonic = _LONG_AGO
    """When it was last found to be so."""
    until: Monotonic = _LONG_AGO
    """When a probe may be made."""
    cause: BlockCause = BlockCause.FAILING
    message: str = ""
    streak: int = 0
    """Pods that failed since the last join."""
    counted: frozenset[str] = frozenset()
    """Pods, still there, and slices whose failure is counted already."""


Blocks = Mapping[TypeName, Block]


def refuse(blocks: Blocks, offer: TypeOffer, message: str, now: Monotonic) -> Blocks:
    """Return the blocks after the API server refused a pod of that type, in its words."""
    return {**blocks, offer.name: _worse(_block_of(blocks, offer), BlockCause.REFUSED, message, now)}


def fail(blocks: Blocks, offer: TypeOffer, unit: str, message: str, now: Monotonic) -> Blocks:
    """Return the blocks after a unit of that type (a pod, a slice) ended or was given up before it joined."""
    block = _block_of(blocks, offer)
    if unit in block.counted:
        return blocks
    counted = replace(block, streak=block.streak + 1, counted=block.counted | {unit})
    if counted.level or counted.streak >= PATIENCE:
        counted = _worse(counted, BlockCause.FAILING, message, now)
    return {**blocks, offer.name: counted}


def review(
    blocks: Blocks,
    offers: Iterable[TypeOffer],
    workers: Sequence[Worker],
    joined_before: frozenset[str],
    now: Monotonic,
) -> Blocks:
    """Return the blocks after a look at the workers; each pod's failure counts once."""
    by_type: dict[TypeName, list[Worker]] = {}
    for worker in workers:
        by_type.setdefault(worker.type, []).append(worker)
    after: dict[TypeName, Block] = {}
    for offer in offers:
        mine = by_type.get(offer.name, [])
        joined = any(worker.state in JOINED and worker.pod not in joined_before for worker in mine)
        block = Block(offer.fingerprint) if joined else _block_of(blocks, offer)
        block = _count(block, [worker for worker in mine if worker.state is WorkerState.STUCK], now)
        if block.level or block.streak or block.counted:
            after[offer.name] = block
    return after


def allowances(
    blocks: Blocks, offers: Iterable[TypeOffer], workers: Sequence[Worker], now: Monotonic
) -> dict[TypeName, int]:
    """Return how many units each blocked type may launch: one, once it is time and none is on its way."""
    allowed: dict[TypeName, int] = {}
    for offer in offers:
        block = blocks.get(offer.name)
        if block is not None and block.level:
            on_the_way = any(worker.type == offer.name and worker.state in UNJOINED for worker in workers)
            allowed[offer.name] = 0 if now < block.until or on_the_way else 1
    return allowed


def _block_of(blocks: Blocks, offer: TypeOffer) -> Block:
    """Return what is known to be wrong with a type's present template."""
    block = blocks.get(offer.name)
    return block if block is not None and block.fingerprint == offer.fingerprint else Block(offer.fingerprint)


def _count(block: Block, stuck: Sequence[Worker], now: Monotonic) -> Block:
    new = [worker for worker in stuck if worker.pod not in block.counted]
    block = replace(block, counted=frozenset(worker.pod for worker in stuck))
    failing = [worker for worker in new if worker.verdict is not PodVerdict.UNSCHEDULABLE]
    unschedulable = [worker for worker in new if worker.verdict is PodVerdict.UNSCHEDULABLE]
    if failing:
        block = replace(block, streak=block.streak + len(failing))
        if block.level or block.streak >= PATIENCE:
            block = _worse(block, BlockCause.FAILING, _words(failing), now)
    if unschedulable:
        block = _worse(block, BlockCause.UNSCHEDULABLE, _words(unschedulable), now)
    return block


def _worse(block: Block, cause: BlockCause, message: str, now: Monotonic) -> Block:
    """Return the block after a failure. What was launched before the wait began says nothing new in it."""
    if block.level and now < block.until:
        return replace(block, message=message or block.message)
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(block.level, 10))
    return replace(
        block,
        level=block.level + 1,
        since=now,
        until=Monotonic(now + wait),
        cause=cause,
        message=message or block.message,
    )


def _words(workers: Sequence[Worker]) -> str:
    return next((worker.why for worker in sorted(workers, key=lambda worker: worker.pod) if worker.why), "")
