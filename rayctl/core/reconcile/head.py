"""The head: there is one, and when it goes all of Ray starts anew, so that is done once and in order.

First it is said, in status and Events; then the workers are drained, and what runs there may end; then head
and workers go at once, and come back with what the spec says by then.
"""

from __future__ import annotations

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.status import ConditionType
from rayctl.api.upgrade import UpgradeType
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.restart import NO_RESTART, Restart
from rayctl.core.reconcile.rollout import ASKED, blueprint
from rayctl.core.reconcile.seen import Observed
from rayctl.core.reconcile.trouble import blocked_for
from rayctl.core.reconcile.worklist import Worklist


def due_restart(work: Worklist, seen: Observed) -> Restart:
    """Return whether the head is to be replaced, and why."""
    head, cluster = work.head, work.cluster
    if head is None or head.name in work.gone:
        return NO_RESTART
    if head.pod_type != cluster.head_type:
        why = f"spec.headPodType is {cluster.head_type} now, not {head.pod_type or 'unknown'}"
    else:
        plan = blueprint(cluster, Role.HEAD, cluster.head_type)
        why = plan.why_outdated(head) if plan is not None else ""
    if not why:
        return NO_RESTART
    if cluster.upgrade_of(cluster.head).type is UpgradeType.ON_DELETE and why != ASKED:
        return Restart(waits=why)
    told = seen.status.find_condition(ConditionType.UPGRADING)
    announced = told is not None and told.true is True and told.reason == Reason.RESTARTING_HEAD
    return Restart(f"{head.name}: {why}", announced)


def take_down(work: Worklist, why: str) -> None:
    """Have all workers leave in an orderly way, and the head after the last of them."""
    work.retire(work.still_live(Role.WORKER), why)
    if not work.still_live(Role.WORKER):
        work.delete(work.still_live(Role.HEAD), why)


def fill(work: Worklist, seen: Observed) -> None:
    """Have one head: make it where it is missing, and remove any second."""
    heads = work.still_live(Role.HEAD)
    work.delete([pod for pod in heads if pod is not work.head], _second(work.head))
    if heads:
        return
    trouble = seen.find_trouble(Role.HEAD, work.cluster.head_type)
    wait = blocked_for(trouble, work.now)
    if wait:
        work.waits.append(wait)
        return
    # The Service selects the head by its incarnation alone, and one that is on its way out stays an endpoint.
    known = [pod.incarnation for pod in seen.pods if pod.role is Role.HEAD]
    first = 1 + max([*known, *seen.foreign_heads], default=-1)
    work.create(Role.HEAD, work.cluster.head_type, (0,), (), "there is none", first=first)


def _second(head: PodView | None) -> str:
    return f"{head.name} is the head" if head is not None else "it is not the head"
