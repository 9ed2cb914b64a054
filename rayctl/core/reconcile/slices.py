"""Slices: workers of a type of several hosts come and go as one, since no host is of use without the others.

A slice has its number from its first pod to its last, whatever becomes of each; another one gets another
number, so that the planner, Ray and users never take hosts of two slices for one. A slice may yet be made
whole until the first of its hosts has started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import count, islice

from rayctl.api.names import PodName
from rayctl.api.observed import PodView
from rayctl.core.reconcile.slots import is_live


def free_slices(pods: Iterable[PodView], hosts: int, number: int) -> tuple[int, ...]:
    """Return the ordinals of so many new slices; ``pods`` are all of the type, whatever their state."""
    pods = list(pods)
    taken = {pod.ordinal // hosts for pod in pods} | {int(pod.slice) for pod in pods if pod.slice.isdecimal()}
    free = islice((each for each in count() if each not in taken), number)
    return tuple(each * hosts + host for each in free for host in range(hosts))


def incomplete(staying: Iterable[PodView]) -> list[list[PodView]]:
    """Return the slices of which a host is missing, or is on its way out: of each the pods that stay."""
    slices = _slices(pod for pod in staying if pod.slice)
    return [
        pods
        for pods in slices.values()
        if len({pod.ordinal for pod in pods}) < max(pod.hosts for pod in pods)
    ]


def unfinished(
    halves: Iterable[list[PodView]], pods: Iterable[PodView], hosts: int, unwanted: AbstractSet[PodName]
) -> list[list[PodView]]:
    """Return those of incomplete slices that may yet be made whole: no host has started, all are wanted.

    ``pods`` are all of the type, whatever their state. What has the place of a host that is lacking, as a
    slice of another size may, keeps it.
    """
    pods = tuple(pods)
    spoilt = {pod.slice for pod in pods if pod.phase != "Pending" or pod.name in unwanted}
    taken = {pod.ordinal for pod in pods if is_live(pod)}
    return [
        half
        for half in halves
        if half[0].slice not in spoilt and half[0].hosts == hosts and taken.isdisjoint(lacking(half))
    ]


def lacking(half: Sequence[PodView]) -> tuple[int, ...]:
    """Return the ordinals of the hosts that an incomplete slice lacks."""
    hosts, there = half[0].hosts, {pod.ordinal for pod in half}
    first = half[0].ordinal // hosts * hosts
    return tuple(ordinal for ordinal in range(first, first + hosts) if ordinal not in there)


def with_their_slices(outdated: Mapping[PodName, str], pods: Iterable[PodView]) -> dict[PodName, str]:
    """Return outdated pods with the other hosts of their slices, and why each is to go."""
    slices = _slices(pod for pod in pods if pod.slice)
    found = dict(outdated)
    for hosts in slices.values():
        first = next((pod.name for pod in hosts if pod.name in outdated), None)
        if first is not None:
            found |= {pod.name: f"its slice goes with {first}" for pod in hosts if pod.name not in outdated}
    return found


def in_whole_slices(chosen: Sequence[PodView], pods: Iterable[PodView]) -> list[PodView]:
    """Return whole slices instead of the pods that were chosen of ``pods``: as many, but one at the least."""
    slices = _slices(pods)
    found: list[PodView] = []
    for key in dict.fromkeys(map(_key, chosen)):
        if not found or len(found) + len(slices[key]) <= len(chosen):
            found += slices[key]
    return found


def _slices(pods: Iterable[PodView]) -> dict[str, list[PodView]]:
    """Return the pods of one type by slice; each that is in none by itself."""
    slices: dict[str, list[PodView]] = {}
    for pod in pods:
        slices.setdefault(_key(pod), []).append(pod)
    return slices


def _key(pod: PodView) -> str:
    return f"slice {pod.slice}" if pod.slice else pod.name
