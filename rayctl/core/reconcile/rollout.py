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


def may_go(
    staying: Sequence[PodView], outdated: Mapping[PodName, str], strategy: UpgradeStrategy, wanted: int
) -> tuple[PodView, ...]:
    """Return which outdated pods of ``staying`` may go now; ``staying`` is in the order of leaving.

    What is not ready serves nobody and goes at once. Of ready ones as many may go as leave ``wanted`` less
    ``maxUnavailable`` ready; those that are going already are not among ``staying``.
    """
    old = [pod for pod in staying if pod.name in outdated]
    if strategy.type is UpgradeType.RECREATE:
        return tuple(old)
    broken = [pod for pod in old if not pod.ready]
    ready = sum(pod.ready for pod in staying)
    spare = max(0, ready - (wanted - strategy.unavailable_of(wanted)))
    return (*broken, *[pod for pod in old if pod.ready][:spare])
