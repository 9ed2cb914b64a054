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

    places: int
    """Workers that there are to be, those included that are leaving and get a successor."""
    surge: int
    unavailable: int


def margins(strategy: UpgradeStrategy, places: int, room: int) -> Margins:
    """Return what a strategy allows where the maximums leave room for ``room`` workers more.

    Where they leave none for a surge, one worker may be missing: else nothing could ever change.
    """
    surge = max(0, min(strategy.surge_of(places), room))
    return Margins(places, surge, strategy.unavailable_of(places) or (0 if surge else 1))


def places_of(targets: int, least: int, surge: int, current: int, going: int) -> int:
    """Return how many workers of a type there are to be, from a plan that was made amid a roll-out.

    ``targets`` counts who stays: with the ``current`` ones beside the outdated ones that they replace, and
    without the ``going`` ones that get a successor. Taken as it is, each surge would be the base of the
    next. Where it cannot be told who is whose successor, it is the lesser number, but for ``least``.
    """
    most = targets + going
    return max(most - min(surge, current), min(least, most))


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
