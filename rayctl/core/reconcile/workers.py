"""The workers of one type: brought to the number wanted, and to what the spec says now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rayctl.api.names import PodName, Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import PodType
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.rollout import (
    Headcount,
    Margins,
    blueprint,
    margins,
    may_go,
    outdated_pods,
)
from rayctl.core.reconcile.seen import Observed
from rayctl.core.reconcile.slices import (
    free_slices,
    in_whole_slices,
    incomplete,
    lacking,
    unfinished,
    with_their_slices,
)
from rayctl.core.reconcile.slots import free_ordinals, leaving_order, of_type, session_of
from rayctl.core.reconcile.trouble import blocked_for
from rayctl.core.reconcile.worklist import Worklist

_GRACE_OF_THE_LOST = 5
"""Seconds."""

_HALF = "its slice lacks a host"

_MOST_AT_ONCE = 500
"""Pods of a type that one pass creates; the next pass goes on, and others have their turn between."""


def clear_lost_sessions(work: Worklist) -> None:
    """Remove the workers of a head that is no more: Ray's state died with it, they cannot join the next.

    Left alone they would end by themselves after a minute of looking like workers. They have nothing to
    save, so they get no time to drain.
    """
    if work.head is None:
        return
    known = {"", session_of(work.head)}
    lost = [pod for pod in work.still_live(Role.WORKER) if pod.session not in known]
    work.delete(lost, f"they belong to a head before {work.head.name}", grace=_GRACE_OF_THE_LOST)


def clear_removed_types(work: Worklist) -> None:
    """Have the workers of types leave that the spec has no more."""
    for role, name in work.live:
        if role is Role.WORKER and work.cluster.find_type(name) is None:
            pods = work.still_live(role, name)
            work.retire(pods, f"spec.podTypes has no {name or 'type of theirs'} any more")


def fill(work: Worklist, seen: Observed, pod_type: PodType, wanted: int) -> None:
    """Bring the workers of a type to the number wanted, beside a head, and roll an edit of it out."""
    role, name = Role.WORKER, pod_type.name
    strategy = work.cluster.upgrade_of(pod_type)
    _drop_doubles(work, work.still_live(role, name))
    live = work.still_live(role, name)
    outdated = _outdated(work, pod_type, live, strategy)
    leaving = work.removal.leaving(live)
    for pod in leaving:
        drain = seen.drains.get(pod.uid)
        work.retire([pod], drain.why if drain is not None else "Ray drains its node")
    gone_soon = {pod.name for pod in leaving}
    named = [pod for pod in live if pod.name in work.leave and pod.name not in gone_soon]
    work.depart(named)
    gone_soon.update(pod.name for pod in named)
    halves = incomplete(pod for pod in live if pod.name not in gone_soon)
    begun = unfinished(halves, of_type(seen.pods, role, name), pod_type.hosts, gone_soon | outdated.keys())
    broken = [pod for half in halves if half not in begun for pod in half]
    work.retire(broken, _HALF, failed=Reason.POD_LOST)
    gone_soon.update(pod.name for pod in broken)
    staying = leaving_order(
        (pod for pod in live if pod.name not in gone_soon), frozenset(outdated), work.removal.view
    )
    allowed = _margins(work, pod_type, wanted, live, staying, outdated)
    too_many = 0 if work.planned else max(0, len(staying) - allowed.wanted - allowed.surge)
    if (outdated or too_many) and any(pod.ready for pod in staying) and work.removal.is_blind(work.now):
        work.ask_ray = True
        return
    extra = in_whole_slices(staying[:too_many], staying)
    work.retire(extra, f"{len(staying)} of type {name} are there, {wanted} wanted")
    staying = [pod for pod in staying if pod not in extra]
    _roll(work, in_whole_slices(may_go(staying, outdated, strategy.type, allowed), staying), outdated)
    current = sum(pod.name not in outdated for pod in staying)
    there = work.still_live(role, name)
    if strategy.type is UpgradeType.RECREATE and any(pod.name in outdated for pod in there):
        return  # their successors come when they are gone
    if work.planned:  # who leaves by the plan gets no successor, or has one already
        there = [pod for pod in there if pod.name not in gone_soon or pod.name in outdated]
    missing = min(allowed.wanted - current, allowed.wanted + allowed.surge - len(there))
    begun = [half for half in begun if half[0] in staying]
    missing -= _complete(work, seen, pod_type, begun, _room(work, pod_type) if work.planned else missing)
    _add(work, seen, pod_type, missing, f"{len(there)} of {allowed.wanted} are there")


def _margins(
    work: Worklist,
    pod_type: PodType,
    wanted: int,
    live: Sequence[PodView],
    staying: Sequence[PodView],
    outdated: Mapping[PodName, str],
) -> Margins:
    """Return how far the workers of a type may be from the number wanted."""
    if not outdated:
        return Margins(wanted, wanted, 0, 0)
    cluster, stays = work.cluster, {pod.name for pod in staying}
    others = sum(len(pods) for (role, _), pods in work.live.items() if role is Role.WORKER) - len(live)
    count = Headcount(
        targets=wanted,
        current=sum(pod.name not in outdated for pod in staying),
        going=len(outdated.keys() - stays) if work.planned else 0,
        least=pod_type.min_workers,
        most=max(0, min(cluster.max_of(pod_type), cluster.max_workers - others)),
        hosts=pod_type.hosts,
    )
    return margins(cluster.upgrade_of(pod_type), count)


def _outdated(
    work: Worklist, pod_type: PodType, live: Sequence[PodView], strategy: UpgradeStrategy
) -> Mapping[PodName, str]:
    plan = blueprint(work.cluster, Role.WORKER, pod_type.name)
    if not live or plan is None:
        return {}
    return with_their_slices(outdated_pods(live, plan, strategy), live)


def _drop_doubles(work: Worklist, pods: Sequence[PodView]) -> None:
    """Have all but the best go of pods that fill one place: two operators took themselves for the leader."""
    places: dict[int, list[PodView]] = {}
    if len({pod.ordinal for pod in pods}) == len(pods):
        return
    for pod in pods:
        if pod.ordinal >= 0:
            places.setdefault(pod.ordinal, []).append(pod)
    for ordinal, rivals in places.items():
        if len(rivals) > 1:
            order = leaving_order(rivals, frozenset(), work.removal.view)
            work.retire(order[:-1], f"{order[-1].name} fills place {ordinal} already")


def _roll(work: Worklist, pods: Sequence[PodView], outdated: Mapping[PodName, str]) -> None:
    by_reason: dict[str, list[PodView]] = {}
    for pod in pods:
        by_reason.setdefault(outdated[pod.name], []).append(pod)
    for why, group in by_reason.items():
        work.retire(group, why)


def _room(work: Worklist, pod_type: PodType) -> int:
    """Return how many more workers of a type the maximums allow."""
    of_all, alike = work.still_live(Role.WORKER), work.still_live(Role.WORKER, pod_type.name)
    return min(work.cluster.max_workers - len(of_all), work.cluster.max_of(pod_type) - len(alike))


def _complete(
    work: Worklist, seen: Observed, pod_type: PodType, begun: Sequence[Sequence[PodView]], room: int
) -> int:
    """Make what slices lack that were begun; return how many pods. Where there is no room they go."""
    if not begun or _is_held_up(work, seen, pod_type):
        return 0
    made, pods = 0, of_type(seen.pods, Role.WORKER, pod_type.name)
    for half in begun:
        ordinals = lacking(half)
        if made + len(ordinals) > room:
            work.retire(half, _HALF, failed=Reason.POD_LOST)
        else:
            made += len(ordinals)
            work.create(Role.WORKER, pod_type.name, ordinals, pods, f"slice {half[0].slice} lacks them")
    return made


def _is_held_up(work: Worklist, seen: Observed, pod_type: PodType) -> bool:
    """Return whether no worker of a type is to be made now.

    A head that was started again may crash as soon, and each of its lives takes its workers along.
    """
    if work.head is None or (work.head.restarts and not work.head.ready):
        return True
    wait = blocked_for(seen.find_trouble(Role.WORKER, pod_type.name), work.now)
    if wait:
        work.waits.append(wait)
    return wait > 0


def _add(work: Worklist, seen: Observed, pod_type: PodType, missing: int, why: str) -> None:
    name, hosts = pod_type.name, pod_type.hosts
    if missing < hosts or _is_held_up(work, seen, pod_type):
        return
    pods = of_type(seen.pods, Role.WORKER, name)
    units = 1 if seen.find_trouble(Role.WORKER, name) else max(1, min(missing, _MOST_AT_ONCE) // hosts)
    if hosts > 1:
        ordinals = free_slices(pods, hosts, units)
    else:
        ordinals = free_ordinals(work.still_live(Role.WORKER, name), units)
    work.create(Role.WORKER, name, ordinals, pods, why)
