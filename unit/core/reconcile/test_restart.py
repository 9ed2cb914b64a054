"""The whole cluster goes down in order, when it must, and is told before."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rayctl.api.document import Reader
from rayctl.api.names import Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.restart import RestartMarks
from rayctl.api.status import settle
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from rayctl.core.reconcile.actions import ApplyService, CreatePod, Decision, Reason
from rayctl.core.reconcile.seen import Drain, Observed
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import (
    HEAD,
    NOW,
    OLD,
    a_view,
    apply,
    created,
    deleted,
    drained,
    pass_over,
    seen,
)

OLD_HEAD = a_pod("h", head=True, fingerprint=OLD)


def after(cluster: RayCluster, observed: Observed, decision: Decision) -> Observed:
    """What is seen after a pass: its actions done, its status written."""
    observed = apply(cluster, observed, decision.actions)
    return replace(observed, status=settle(decision.status, observed.status, NOW))


def test_a_changed_head_is_told_then_the_workers_are_drained_then_all_go_at_once() -> None:
    cluster = a_cluster(2)
    observed = seen(cluster, OLD_HEAD, a_pod("w0"), a_pod("w1", ordinal=1), ray=a_view("w0", "w1"))

    told = pass_over(cluster, observed)
    observed = after(cluster, observed, told)
    drains = pass_over(cluster, observed)
    observed = after(cluster, observed, drains)
    one_left = replace(observed, ray=a_view("w0", dead=("w1",)))
    waits = pass_over(cluster, one_left)
    down = pass_over(cluster, replace(observed, ray=a_view(dead=("w0", "w1"))))

    assert told.actions == ()
    assert told.urgent
    assert told.standing[0].reason is Reason.RESTARTING_HEAD
    assert drained(drains) == ["w0", "w1"]
    assert deleted(waits) == ["w1"], "the head waits for the last of them"
    assert sorted(deleted(down)) == ["h", "w0", "w1"]
    assert created(down) == []


@pytest.mark.parametrize(
    ("head", "cluster"),
    [
        pytest.param(OLD_HEAD, a_cluster(0), id="an edit of its type"),
        pytest.param(a_pod("h", head=True, asked_to_go=True), a_cluster(0), id="an annotation on its pod"),
        pytest.param(
            a_pod("h", head=True, pod_type=HEAD + "-of-old"), a_cluster(0), id="another headPodType"
        ),
        pytest.param(
            a_pod("h", head=True, restart="", fingerprint=OLD),
            a_cluster(0, restarts=RestartMarks((("label try", "again"),))),
            id="a label of the cluster",
        ),
    ],
)
def test_a_head_is_replaced_for(head: PodView, cluster: RayCluster) -> None:
    observed = seen(cluster, head)
    observed = after(cluster, observed, pass_over(cluster, observed))
    decision = pass_over(cluster, observed)
    observed = after(cluster, observed, decision)

    assert deleted(decision) == ["h"]
    assert created(pass_over(cluster, observed)) == [("head", HEAD, 0)]


def test_a_restart_that_was_wished_is_not_counted_as_a_recovery() -> None:
    cluster = a_cluster(0)
    observed = seen(cluster, OLD_HEAD)
    observed = after(cluster, observed, pass_over(cluster, observed))
    observed = after(cluster, observed, pass_over(cluster, observed))
    observed = after(cluster, observed, pass_over(cluster, observed))
    (new,) = [pod for pod in observed.pods if not pod.deleting]
    ready = msgspec.structs.replace(new, ready=True, phase="Running")

    last = pass_over(cluster, replace(observed, pods=(ready,)))

    assert new.uid != OLD_HEAD.uid
    assert last.status.phase == "Running"
    assert last.status.autoscaler_retries == 0


def test_with_on_delete_a_changed_head_waits_and_the_status_says_so() -> None:
    cluster = a_cluster(0, upgrade=UpgradeStrategy(UpgradeType.ON_DELETE))

    decision = pass_over(cluster, seen(cluster, OLD_HEAD))

    upgrading = decision.status.find_condition("Upgrading")
    assert decision.actions == ()
    assert upgrading is not None
    assert upgrading.reason == Reason.WAITING_FOR_DELETION
    assert decision.status.phase == "Running"


def test_a_restart_of_one_type_leaves_the_head_alone() -> None:
    cluster = a_cluster(1, restarts=RestartMarks(by_type=(("worker-node", "now"),)))  # type: ignore[arg-type]
    worker = a_pod("w0", restart="", fingerprint=OLD)

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True), worker))

    assert deleted(decision) == ["w0"]


def test_a_suspended_cluster_drains_its_workers_then_all_go_and_only_the_service_stays() -> None:
    cluster = a_cluster(1, suspend=True)
    observed = seen(cluster, a_pod("h", head=True), a_pod("w0"), ray=a_view("w0"))

    drains = pass_over(cluster, observed)
    down = pass_over(cluster, replace(after(cluster, observed, drains), ray=a_view(dead=("w0",))))
    empty = pass_over(cluster, seen(cluster, ray=None))

    assert (drained(drains), deleted(drains)) == (["w0"], [])
    assert sorted(deleted(down)) == ["h", "w0"]
    assert empty.actions == ()
    assert empty.status.phase == "Suspended"
    assert empty.status.observed_generation == cluster.generation


def test_a_resumed_clusters_head_is_not_counted_as_a_recovery() -> None:
    cluster = a_cluster(0)
    suspended = replace(cluster, suspend=True)
    status = pass_over(
        suspended, seen(suspended, status=pass_over(cluster, seen(cluster, a_pod("h", head=True))).status)
    ).status

    resumed = pass_over(cluster, seen(cluster, a_pod("h2", head=True), status=status))

    assert resumed.status.autoscaler_retries == 0


def test_the_service_turns_to_the_next_head_at_once_though_the_last_one_hangs() -> None:
    cluster = a_cluster(0)
    hangs = a_pod("h", head=True, deleting=True)
    observed = seen(cluster, hangs)

    decision = pass_over(cluster, observed)
    settled = pass_over(cluster, apply(cluster, observed, decision.actions))

    (service,) = [action for action in decision.actions if isinstance(action, ApplyService)]
    (head,) = [action for action in decision.actions if isinstance(action, CreatePod)]
    label = "cluster.ray.io/head-incarnation"
    selector = Reader(service.manifest).inner("spec").inner("selector")
    assert head.incarnation == 1
    assert selector.text(label) == "1"
    assert Reader(head.manifest).inner("metadata").inner("labels").text(label) == "1"
    assert settled.actions == ()


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        pytest.param(
            [a_pod("h", head=True, pod_type=HEAD + "-of-old", deleting=True)], {}, id="another type"
        ),
        pytest.param([], {"foreign_heads": frozenset({0})}, id="an earlier RayCluster of the name"),
    ],
)
def test_the_service_never_selects_a_head_that_hangs_whatever_it_is_of(
    before: list[PodView], fields: dict[str, Any]
) -> None:
    cluster = a_cluster(0)
    observed = seen(cluster, *before, **fields)

    decision = pass_over(cluster, observed)
    settled = pass_over(cluster, apply(cluster, observed, decision.actions))

    assert [each.incarnation for each in decision.actions if isinstance(each, CreatePod)] == [1]
    assert any(isinstance(each, ApplyService) for each in decision.actions)
    assert settled.actions == ()


def test_a_head_that_failed_is_replaced_without_a_word_of_wishes() -> None:
    cluster = a_cluster(0)
    lost = a_pod("h", head=True, ready=False, started=1.0, ready_changed=2.0)

    decision = pass_over(cluster, seen(cluster, lost))

    assert deleted(decision) == ["h"]
    assert created(decision) == [("head", HEAD, 0)]
    assert [note.reason for note in decision.notes] == [Reason.POD_LOST, Reason.CREATING_PODS]


def test_a_leaving_worker_that_ends_is_no_failure() -> None:
    cluster = a_cluster(0)
    ended = a_pod("w0", phase="Succeeded", ready=False)
    drains = {Uid("uid-of-w0"): Drain(NOW.timestamp() + 9, "scaled down")}

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True), ended, drains=drains))

    assert deleted(decision) == ["w0"]
    assert not any(note.warning for note in decision.notes)
