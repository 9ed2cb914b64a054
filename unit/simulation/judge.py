"""What is promised of each decision, whoever makes it: in the right order, of a healthy pod none, of a maximum all."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import Phase
from rayctl.core.reconcile.actions import Action, CreatePod, Decision, DeletePod
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.slots import session_of
from unit.simulation.passes import Pass, is_live, is_rolled, is_well, named
from unit.simulation.ray import Ray


class Judge:
    """Judges decisions; what is not as promised goes to ``fault``."""

    def __init__(self, ray: Ray, fault: Callable[[str], None]) -> None:
        self._ray = ray
        self._fault = fault
        self._dice = Random(0)

    def judge(self, who: str, present: Pass, now: datetime, decision: Decision) -> None:
        """Hold a decision against what it was made from and, where that was true, against the world."""
        self._check_targets(who, present)
        self._check_order(present, now, decision)
        self._check_phase(present, decision)
        self._check_generation(who, present, decision)
        if present.true:
            self._check_deletions(who, present, now, decision)

    def _check_targets(self, who: str, present: Pass) -> None:
        cluster, targets = present.cluster, present.targets
        beyond = [kind.name for kind in cluster.pod_types if targets.get(kind.name, 0) > cluster.max_of(kind)]
        if beyond or sum(targets.values()) > cluster.max_workers:
            self._fault(f"{who} wants {dict(targets)} of {cluster.key}: beyond a maximum")

    def _check_order(self, present: Pass, now: datetime, decision: Decision) -> None:
        pods = list(present.seen.pods)
        self._dice.shuffle(pods)
        leave = tuple(present.leave.values()) if present.planned else None
        other = decide(present.cluster, replace(present.seen, pods=tuple(pods)), present.targets, now, leave)
        told, also = (Counter(_essence(action) for action in d.actions) for d in (decision, other))
        if told != also or decision.status != other.status:
            self._fault(f"the order in which pods are seen decides: {told - also} or {also - told}")

    def _check_phase(self, present: Pass, decision: Decision) -> None:
        if decision.status.phase != Phase.RUNNING:
            return
        live = [pod for pod in present.seen.pods if is_live(pod)]
        ready = Counter(pod.pod_type for pod in live if pod.ready and pod.role is Role.WORKER)
        short = [name for name, wanted in present.targets.items() if ready[name] < wanted]
        if short or not any(pod.ready and pod.role is Role.HEAD for pod in live):
            self._fault(f"{present.cluster.key} is told to be Running: head or workers {short} are missing")

    def _check_generation(self, who: str, present: Pass, decision: Decision) -> None:
        told, before = decision.status.observed_generation, present.seen.status.observed_generation
        if told != before and (decision.actions or told != present.cluster.generation):
            self._fault(
                f"{who} tells generation {told} as observed, with {len(decision.actions)} things to do"
            )

    def _check_deletions(self, who: str, present: Pass, now: datetime, decision: Decision) -> None:
        """Nothing goes that is healthy and wanted; what belongs to a head that is no more goes at once."""
        cluster, at = present.cluster, now.timestamp()
        pods = [pod for pod in present.seen.pods if is_live(pod)]
        head = next((pod for pod in pods if pod.role is Role.HEAD), None)
        renewed = cluster.suspend or head is None or bool(self._why_head_goes(cluster, head, pods, at))
        workers = [pod for pod in pods if pod.role is Role.WORKER]
        fine = [
            pod for pod in workers if is_well(pod, at) and not self._why_worker_goes(present, pod, pods, head)
        ]
        surplus = Counter(pod.pod_type for pod in fine)
        surplus.subtract(present.targets)
        going = {each.pod.name: each for each in decision.actions if isinstance(each, DeletePod)}
        for action in going.values():
            pod = action.pod
            if pod.role is Role.HEAD:
                self._check_head(who, present, pod, at, [one for one in workers if one.name not in going])
            elif pod in fine and not renewed:
                surplus[pod.pod_type] -= 1
                if present.planned or surplus[pod.pod_type] < 0:
                    self._fault(f"{who} deletes {pod.name}, which is healthy and wanted: {action.why}")
        if head is not None and not renewed:
            known = {"", session_of(head)}
            lost = [one.name for one in workers if one.session not in known and one.name not in going]
            if lost:
                self._fault(f"{who} leaves {lost} of a head before {head.name} alone")

    def _check_head(self, who: str, present: Pass, head: PodView, at: float, left: list[PodView]) -> None:
        """A head goes for a reason, and one that is well goes after its workers."""
        pods = [pod for pod in present.seen.pods if is_live(pod)]
        why = self._why_head_goes(present.cluster, head, pods, at)
        if not (present.cluster.suspend or why):
            self._fault(f"{who} deletes the healthy head {head.name}")
        alone = sum(pod.role is Role.HEAD for pod in pods) == 1
        node = self._ray.find(head.name)
        if left and alone and head.ready and node is not None and not node.dead:
            self._fault(f"{who} deletes {head.name} before its workers {named(left)}")

    def _why_head_goes(self, cluster: RayCluster, head: PodView, live: list[PodView], at: float) -> str:
        node = self._ray.find(head.name)
        reasons = {
            "ended": not is_live(head),
            "not ready": not is_well(head, at),
            "asked": head.asked_to_go,
            "another type": head.pod_type != cluster.head_type,
            "outdated": head.pod_type == cluster.head_type and is_rolled(cluster, head),
            "one of several": sum(pod.role is Role.HEAD for pod in live) > 1,
            "lost": head.started > 0 and (node is None or node.dead),
        }
        return ", ".join(name for name, holds in reasons.items() if holds)

    def _why_worker_goes(self, present: Pass, pod: PodView, live: list[PodView], head: PodView | None) -> str:
        cluster, node = present.cluster, self._ray.find(pod.name)
        rivals = [one for one in live if one.slot == pod.slot]
        known = cluster.find_type(pod.pod_type) is not None
        leave = present.leave.get(pod.name)
        reasons = {
            "its type is gone": not known,
            "outdated": known and is_rolled(cluster, pod),
            "asked": pod.asked_to_go,
            "of another session": head is not None and pod.session != session_of(head),
            "drained": pod.uid in present.seen.drains or (node is not None and node.draining),
            "lost by Ray": pod.ready and (node is None or node.dead),
            "lost by Ray while it starts": node is not None and node.dead,
            "a double": len(rivals) > 1,
            "planned, and Ray is told": leave is not None and (leave.reason is not None or not pod.ready),
        }
        return ", ".join(name for name, holds in reasons.items() if holds)


def _essence(action: Action) -> tuple[str, str]:
    name = action.name if isinstance(action, CreatePod) else getattr(getattr(action, "pod", None), "name", "")
    return type(action).__name__, str(name)
