"""Which pods an edit has made outdated, and which of them may go now.

A pod is outdated when the user's input that it was made of has changed (never what the operator made of it),
when a restart was asked for since, or when somebody annotated it to be replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayctl.api.names import PodName, Role, TypeName
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from rayctl.core.build.fingerprint import fingerprint, restart_mark

ASKED = "its annotation cluster.ray.io/restartedAt asks for it"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What the pods of one role and type are to be made of, as digests."""

    fingerprint: str
    restart: str

    def why_outdated(self, pod: PodView) -> str:
        """Return why a pod is to be replaced, or ''."""
        if pod.asked_to_go:
            return ASKED
        if pod.fingerprint != self.fingerprint:
            return f"the spec of type {pod.pod_type} has changed since it was made"
        if pod.restart is not None and pod.restart != self.restart:
            return "a restart was asked for by a label or an annotation"
        return ""


def blueprint(cluster: RayCluster, role: Role, name: TypeName) -> Blueprint | None:
    """Return what pods of a type are to be made of, or None where the spec does not have it."""
    pod_type = cluster.find_type(name)
    if pod_type is None:
        return None
    return Blueprint(fingerprint(cluster, pod_type, role), restart_mark(cluster, name))


def outdated_pods(pods: Sequence[PodView], plan: Blueprint, strategy: UpgradeStrategy) -> dict[PodName, str]:
    """Return the pods that are to be replaced, with why. OnDelete leaves those that nobody asked to go."""
    why = {pod.name: plan.why_outdated(pod) for pod in pods}
    if strategy.type is UpgradeType.ON_DELETE:
        return {name: text for name, text in why.items() if text == ASKED}
    return {name: text for name, text in why.items() if text}


@dataclass(frozen=True, slots=True)
class Margins:
    """How far a type's workers may be from their number while a roll-out is under way."""

    wanted: int
    """Workers that there are to be."""
    places: int
    """The same with those on their way out that may get no successor: while they go, they are missing."""
    surge: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class Headcount:
    """The workers of a type amid a roll-out."""

    targets: int
    """Those that are to stay or come, by a plan that counted current ones beside those they replace."""
    current: int
    """Those that stay and are not outdated."""
    going: int
    """Outdated ones on their way out, which ``targets`` leaves out."""
    least: int
    """``minWorkers``: so many there are to be in any case."""
    most: int
    """What the maximums allow."""
    hosts: int = 1
    """Of each slice: fewer cannot come or go."""

    def whole(self, number: int) -> int:
        """Return a number of workers, rounded up to whole slices."""
        return -(-number // self.hosts) * self.hosts


def margins(strategy: UpgradeStrategy, count: Headcount) -> Margins:
    """Return what a strategy allows.

    Taken as they are, targets would make each surge the base of the next. So up to a surge of current ones
    count as successors; where that is one too many, the lesser number is wanted, but for ``least``. A surge
    stays within the maximums. Where they leave none, one worker may be missing: else nothing could change.
    Workers that come and go in slices are counted in whole ones.
    """
    rolling = strategy.type is UpgradeType.ROLLING_UPDATE
    surge = count.whole(strategy.surge_of(count.targets)) if rolling else 0
    doubled = min(surge, count.current)
    wanted = max(count.targets - doubled, min(count.least, count.targets + count.going))
    places = max(count.targets + count.going - doubled, wanted)
    wanted = min(wanted, count.most)
    room = max(0, min(count.whole(strategy.surge_of(places)), count.most - wanted)) if surge else 0
    room -= room % count.hosts
    unavailable = count.whole(strategy.unavailable_of(places))
    return Margins(wanted, places, room, unavailable or (0 if room else count.hosts))


def may_go(
    staying: Sequence[PodView], outdated: Mapping[PodName, str], kind: UpgradeType, allowed: Margins
) -> tuple[PodView, ...]:
    """Return which outdated pods of ``staying`` may go now; ``staying`` is in the order of leaving.

    What is not ready serves nobody and goes at once. Of ready ones as many may go as leave all but
    ``allowed.unavailable`` ready; those that are going already are not among ``staying``.
    """
    old = [pod for pod in staying if pod.name in outdated]
    if kind is UpgradeType.RECREATE:
        return tuple(old)
    broken = [pod for pod in old if not pod.ready]
    ready = sum(pod.ready for pod in staying)
    spare = max(0, ready - (allowed.places - allowed.unavailable))
    return (*broken, *[pod for pod in old if pod.ready][:spare])
