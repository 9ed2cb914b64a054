"""What a plan does and why, in sentences for log and Events: once when it happens, not at each look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rayctl.api.names import TypeName
from rayctl.core.autoscale.block import Block
from rayctl.core.autoscale.demand import Demand, Gang
from rayctl.core.autoscale.explain import Coming, Unmet, Verdict
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.wording import amount_text, demand_text, gang_text, shape_text

_SHOWN = 3
"""Demands that a sentence names."""

_MOST_UNMET = 10
"""Shapes that get a sentence each."""


class Topic(StrEnum):
    """What a remark is about."""

    LAUNCH = "launch"
    REMOVAL = "removal"
    INFEASIBLE = "infeasible"
    WAITING = "waiting"
    BLOCK = "block"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence."""

    topic: Topic
    text: str
    warning: bool = False


def launch_remarks(launch: Mapping[TypeName, int], coming: Sequence[Coming]) -> Iterator[Remark]:
    """Yield a sentence for each type that is launched: how many, and what for."""
    for name, pods in launch.items():
        mine = [each for each in coming if name in each.chosen]
        shown = ", ".join(_what(each) for each in mine[:_SHOWN])
        more = f" and {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else ""
        why = f"for {shown}{more}" if mine else "for its minWorkers"
        yield Remark(Topic.LAUNCH, f"Adding {_nodes(pods)} of type {name}: {why}")


def _what(coming: Coming) -> str:
    shape = coming.shapes[0][0]
    text = demand_text(Demand(shape, sum(number for _, number in coming.shapes), coming.selectors))
    return f"{text} and the like" if len(coming.shapes) > 1 else text


def removal_remarks(leaves: Iterable[Leave]) -> Iterator[Remark]:
    """Yield a sentence for all that leave of one type for one reason."""
    together: dict[tuple[TypeName, str], int] = {}
    for leave in leaves:
        key = leave.type, leave.why
        together[key] = together.get(key, 0) + 1
    for (name, why), count in together.items():
        yield Remark(Topic.REMOVAL, f"Removing {_nodes(count)} of type {name} ({why})")


def standing_remarks(
    offers: Sequence[TypeOffer],
    cluster_maximum: int,
    unmet: Iterable[Unmet],
    blocks: Mapping[TypeName, Block],
) -> Iterator[Remark]:
    """Yield what is wrong and stays so for a while; the text is the same as long as it does."""
    missing = sum(offer.minimum for offer in offers) - cluster_maximum
    if missing > 0:
        text = (
            f"The types' minWorkers together exceed the cluster's maxWorkers {cluster_maximum} by {missing}"
        )
        yield Remark(Topic.LIMIT, text, warning=True)
    unmet = list(unmet)
    hopeless = [each for each in unmet if each.verdict is Verdict.INFEASIBLE]
    for each in hopeless[:_MOST_UNMET]:
        yield Remark(Topic.INFEASIBLE, _infeasible(each, offers), warning=True)
    if len(hopeless) > _MOST_UNMET:
        text = f"No available node type can fulfill {len(hopeless) - _MOST_UNMET} more shapes"
        yield Remark(Topic.INFEASIBLE, text, warning=True)
    waiting = dict.fromkeys(_waiting(each) for each in unmet if each.verdict is Verdict.WAITING)
    for text in list(waiting)[:_MOST_UNMET]:
        yield Remark(Topic.WAITING, text)
    if len(waiting) > _MOST_UNMET:
        yield Remark(Topic.WAITING, f"{len(waiting) - _MOST_UNMET} more shapes wait")
    for name, block in blocks.items():
        if block.level:
            words = f": {block.message}" if block.message else ""
            wait = f"{block.until - block.since:.0f} s"
            text = f"Leaving type {name} alone for {wait}, its pods are {block.cause}{words}"
            yield Remark(Topic.BLOCK, text, warning=True)


def _waiting(unmet: Unmet) -> str:
    """Return what waits, without how many of it, and what keeps the types that would take it."""
    if isinstance(unmet.subject, Gang):
        what = gang_text(replace(unmet.subject, count=1))
    else:
        what = demand_text(replace(unmet.subject, count=1))
    fitting = [reason for reason in unmet.reasons if reason.text.startswith("fits")] or unmet.reasons
    reasons = (f"{each.type} {(each.lasting or each.text).replace('fits; ', 'fits, ')}" for each in fitting)
    return f"{what.removeprefix('1 x ')} waits: {'; '.join(reasons)}"


def _infeasible(unmet: Unmet, offers: Sequence[TypeOffer]) -> str:
    if isinstance(unmet.subject, Gang):
        return f"No available node type can fulfill {gang_text(unmet.subject)}: {_first_reasons(unmet)}"
    largest = _largest(unmet.subject, offers) or _first_reasons(unmet)
    return f"No available node type can fulfill {shape_text(unmet.subject.shape)}: {largest}"


def _first_reasons(unmet: Unmet) -> str:
    return "; ".join(f"{reason.type} {reason.text}" for reason in unmet.reasons[:_SHOWN]) or "there is none"


def _largest(demand: Demand, offers: Sequence[TypeOffer]) -> str:
    """Return which type has most of the first resource that no type has enough of, or ''."""
    for name, amount in demand.shape:
        most = max((offer.resources.get(name, 0) for offer in offers), default=0)
        if most < amount:
            best = next((offer.name for offer in offers if offer.resources.get(name, 0) == most > 0), None)
            return f"largest is {best} with {amount_text(name, most)}" if best else f"none has any {name}"
    return ""


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"
