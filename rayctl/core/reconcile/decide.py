"""From what is wished and what is seen to what to do. Level-triggered: equal inputs give equal Decisions.

After a perfect execution the next pass finds nothing to do (unit/core/reconcile/test_decide_properties.py
holds it to that). A pass goes from what cannot wait (the Service, pods that failed) by the head to its
workers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from rayctl.api.document import SpecError
from rayctl.api.names import PodName, Role
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import ConditionType, RayClusterStatus
from rayctl.core.autoscale.demand import DrainReason
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.build.service import service_fingerprint
from rayctl.core.reconcile import head as heads
from rayctl.core.reconcile import workers
from rayctl.core.reconcile.actions import Decision, Note, Reason
from rayctl.core.reconcile.away import idle_left, why_away
from rayctl.core.reconcile.health import FAILED, Verdict, health_of
from rayctl.core.reconcile.removal import ASK_AGAIN, Removal
from rayctl.core.reconcile.seen import Observed, RayView, Silence
from rayctl.core.reconcile.slots import head_of, live_by_type, may_answer, session_of
from rayctl.core.reconcile.status import Course, refused_status, running_status
from rayctl.core.reconcile.trouble import blocked_for
from rayctl.core.reconcile.worklist import Worklist


def decide(
    cluster: RayCluster,
    seen: Observed,
    targets: Targets,
    now: datetime,
    leave: Iterable[Leave] | None = None,
) -> Decision:
    """Return what is to be done for one cluster now.

    With a plan, ``leave`` are the workers that go by it, and ``targets`` what there shall be beside those
    that are leaving. Without one (None) there are never more workers than ``targets``, and who goes is
    chosen here.
    """
    head = head_of(cluster, seen.pods)
    ray = seen.ray if isinstance(seen.ray, Silence) else seen.view_of(session_of(head) if head else "")
    removal = Removal(head is not None and may_answer(head), ray, seen.drains, cluster.drain_seconds)
    # A name that is to be deleted stays so, and must not be given to a successor.
    taken = {pod.name for pod in seen.pods} | seen.left | set(map(PodName, cluster.scale.workers_to_delete))
    if removal.view is not None:
        taken |= removal.view.dead  # Ray goes by names, and remembers them
    work = Worklist(cluster, head, removal, now, taken, live_by_type(seen.pods))
    work.planned = leave is not None
    work.leave = {PodName(each.pod): each for each in leave or ()}
    _replace_failed(work, seen)
    begun = work.head is None or bool(removal.leaving(seen.pods))
    away = why_away(cluster, seen, removal, now, begun=begun)
    work.ask_ray = away.unsure
    if away.told:
        heads.take_down(work, away.why)
        _service(work, seen)
        course = Course(away=away, settled=not work.actions)
        return _decision(work, running_status(cluster, seen, {}, removal, course))
    restart = heads.due_restart(work, seen)
    if away.why:
        work.standing.append(Note(Reason.IDLE, f"Suspending the cluster: {away.why}"))
    elif restart.why and restart.announced:
        heads.take_down(work, restart.why)
    elif restart.why:
        text = f"Restarting Ray on the whole cluster: {restart.why}"
        work.standing.append(Note(Reason.RESTARTING_HEAD, text))
    else:
        heads.fill(work, seen)
        workers.clear_lost_sessions(work)
        workers.clear_removed_types(work)
        for pod_type in cluster.pod_types:
            workers.fill(work, seen, pod_type, targets.get(pod_type.name, 0))
    _service(work, seen)
    work.wake_in(idle_left(cluster, seen.pods, removal.view, now))
    waits = bool(restart.why or away.why)
    course = Course(restart, away, settled=not work.actions and not waits)
    return _decision(work, running_status(cluster, seen, targets, removal, course), urgent=waits)


def refuse(view: ClusterView, error: SpecError, meanwhile: Decision | None = None) -> Decision:
    """Return the Decision for a RayCluster with a spec that cannot be understood: say so.

    ``meanwhile`` is what the spec before it asks for. Where that is not known, nothing is touched that runs.
    """
    known = view.status.find_condition(ConditionType.ACCEPTED)
    told = known is not None and known.message == str(error)
    notes = () if told else (Note(Reason.INVALID_SPEC, str(error), warning=True),)
    if meanwhile is None:
        return Decision((), refused_status(view, error, view.status), notes)
    status = refused_status(view, error, meanwhile.status)
    # Passes that act seldom write a status: its word alone would not keep each of them from telling this.
    return replace(meanwhile, status=status, standing=(*notes, *meanwhile.standing))


def _decision(work: Worklist, status: RayClusterStatus, *, urgent: bool = False) -> Decision:
    return Decision(
        actions=work.actions,
        status=status,
        notes=(*work.notes, *work.summary()),
        wake_after=min(work.waits, default=None),
        standing=tuple(work.standing),
        urgent=urgent,
        ask_ray=work.ask_ray,
    )


def _service(work: Worklist, seen: Observed) -> None:
    """Have the Service in front of the head that there is; without one it stays as it was."""
    head = work.head_incarnation()
    there = seen.service_fingerprint
    if there is not None and (head is None or there == service_fingerprint(work.cluster, head)):
        return
    wait = blocked_for(seen.service_trouble, work.now)
    if wait:
        work.waits.append(wait)
        return
    why = "it is missing" if there is None else "the spec of it changed, or the head"
    work.apply_service(head or 0, why)


def _replace_failed(work: Worklist, seen: Observed) -> None:
    """Remove what has failed; tell of what hangs."""
    head, ray = work.head, work.removal.view
    joining_since = head.ready_changed if head is not None and head.ready else work.now.timestamp()
    leaving = {pod.name for pod in work.removal.leaving(seen.pods)}
    for pod in seen.pods:
        if (
            pod.ready
            and not pod.deleting
            and not pod.finished
            and (ray is None or (ray.knows(pod) and not ray.has_lost(pod)))
        ):
            continue  # nearly all of them, nearly always
        health = health_of(pod, ray, joining_since, work.cluster.join_seconds, work.now)
        work.wake_by(health.due)
        if health.verdict is Verdict.STUCK_TERMINATING:
            text = f"{pod.name} hangs in Terminating: its successor does not wait, but it may use up a quota"
            work.standing.append(Note(Reason.POD_STUCK, text, warning=True))
        elif health.verdict is Verdict.ENDED:
            failed = None if pod.name in leaving else Reason.POD_ENDED
            work.delete([pod], f"it {health.verdict}{_ending(pod)}", failed=failed)
        elif health.verdict not in FAILED or pod.name in leaving:
            continue
        elif work.removal.is_asked:
            work.waits.append(ASK_AGAIN)  # Ray may say that it lives
        elif ray is not None and pod.role is Role.WORKER and ray.has_alive(pod):
            if not work.planned:  # else the plan does, and counts on it no more
                work.leave[pod.name] = _preempt(pod, ray, f"it {health.verdict}")
        else:
            work.delete([pod], f"it {health.verdict}", failed=Reason.POD_LOST)
    if head is not None and head.name in work.gone:
        work.head = None


def _preempt(pod: PodView, ray: RayView, why: str) -> Leave:
    """Return that a pod is to leave in order: by Ray's word something may run in it."""
    return Leave(pod.name, pod.pod_type, ray.nodes[pod.name].node_id, DrainReason.PREEMPTION, why)


def _ending(pod: PodView) -> str:
    words = ": ".join(part for part in (pod.phase, pod.reason, pod.message) if part)
    return f" ({words})"
