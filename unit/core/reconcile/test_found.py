"""What a search with a simulated, faulty world has found (unit/simulation), as the shortest example of it."""

from datetime import timedelta

from rayctl.api.status import Phase
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import NOW, apply, deleted, pass_over, seen


def test_a_pod_that_has_ended_does_not_keep_a_cluster_from_being_suspended() -> None:
    cluster = a_cluster(workers=0, suspend=True)
    before = seen(cluster, a_pod("h", head=True, phase="Failed", ready=False))

    decision = pass_over(cluster, before)

    assert deleted(decision) == ["h"]
    assert pass_over(cluster, seen(cluster)).status.phase == Phase.SUSPENDED
    assert pass_over(cluster, apply(cluster, before, decision.actions)).actions == ()


def test_a_head_that_never_becomes_ready_is_replaced_as_a_worker_is() -> None:
    cluster = a_cluster(workers=0)
    began = NOW.timestamp() - cluster.join_seconds
    head = a_pod("h", head=True, ready=False, started=began, ready_changed=began)

    early = pass_over(cluster, seen(cluster, head), NOW - timedelta(seconds=1))
    late = pass_over(cluster, seen(cluster, head))

    assert (deleted(early), early.wake_after) == ([], 1)
    assert deleted(late) == ["h"]


def test_a_pod_that_has_failed_is_removed_also_where_nobody_took_its_readiness_back() -> None:
    cluster = a_cluster(workers=1)
    # Found by e2e/faults. Kubernetes' pod garbage collector writes the phase alone.
    head, worker = a_pod("h", head=True), a_pod("w", phase="Failed", ready=True)

    assert deleted(pass_over(cluster, seen(cluster, head, worker))) == ["w"]
