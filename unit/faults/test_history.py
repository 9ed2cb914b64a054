"""What the records of etcd and of the audit log are read as."""

from __future__ import annotations

from typing import Any

from e2e.faults.history import Lease, Pod, RayCluster, replica_of, requests_of, thing
from rayctl.kube.client import user_agent
from rayctl.manager.leadership import identity_of

POD: dict[str, Any] = {
    "metadata": {
        "name": "c-ray-worker-bcdfg",
        "uid": "u",
        "labels": {"ray-cluster-name": "c", "ray-node-type": "worker", "ray-user-node-type": "a"},
        "annotations": {"cluster.ray.io/ordinal": "3"},
        "ownerReferences": [{"uid": "owner"}],
    },
    "spec": {"containers": [{"image": "ray:1"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


def test_a_pod_is_read_with_its_owner_place_and_readiness() -> None:
    pod = thing("pods", POD)

    assert isinstance(pod, Pod)
    assert (pod.owner, pod.role, pod.pod_type, pod.ordinal, pod.image) == (
        "owner",
        "worker",
        "a",
        "3",
        "ray:1",
    )
    assert pod.ready
    assert pod.live


def test_a_pod_that_is_to_go_or_has_ended_is_not_live() -> None:
    going = {**POD, "metadata": {**POD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    ended = {**POD, "status": {"phase": "Failed"}}

    for document in (going, ended):
        pod = thing("pods", document)
        assert isinstance(pod, Pod)
        assert not pod.live


def test_a_pod_with_a_node_that_is_not_ready_waits_for_its_kubelet() -> None:
    bound = {**POD["spec"], "nodeName": "fake1"}
    statuses: dict[str, dict[str, Any]] = {
        "bound": {"phase": "Pending"},
        "not ready any more": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]},
        "ready": POD["status"],
        "ended": {"phase": "Failed"},
    }
    pods = {
        what: thing("pods", {**POD, "spec": bound, "status": status}) for what, status in statuses.items()
    }

    waiting = {what for what, pod in pods.items() if isinstance(pod, Pod) and pod.waits}

    assert waiting == {"bound", "not ready any more"}


def test_a_pod_of_nobody_is_left_out() -> None:
    assert thing("pods", {**POD, "metadata": {"name": "x", "uid": "u"}}) is None


def test_a_lease_and_a_raycluster_are_read() -> None:
    lease = thing("leases", {"metadata": {}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 3}})
    meta = {"name": "c", "uid": "u", "generation": 2, "annotations": {"x": "y"}}
    types = [{"name": "head"}, {"name": "a", "minWorkers": 2}]
    cluster = thing("rayclusters", {"metadata": meta, "spec": {"headPodType": "head", "podTypes": types}})

    assert lease == Lease("a", 3.0)
    assert isinstance(cluster, RayCluster)
    assert cluster.wanted() == {("head", "head"): 1, ("worker", "a"): 2}
    assert cluster.marks == (("x", "y"),)


def test_a_replicas_user_agent_carries_the_identity_that_it_writes_into_the_lease() -> None:
    identity = identity_of("operator-1", "", "20260101T000000.000000")

    assert replica_of(user_agent(identity)) == identity
    assert not replica_of(user_agent("workload"))
    assert not replica_of("kubectl/v1.37")


def audit(namespace: str, received: str, **more: Any) -> dict[str, Any]:
    return {
        "verb": "create",
        "userAgent": "rayctl/1 (operator-0_x)",
        "objectRef": {"resource": "pods", "namespace": namespace},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{received}Z",
        "stageTimestamp": "2026-01-01T00:00:59.5Z",
        "responseStatus": {"code": 201},
        **more,
    }


def test_requests_to_the_namespace_come_in_the_order_of_their_arrival_with_what_they_made() -> None:
    made = {"kind": "Pod", "metadata": {"name": "p", "resourceVersion": "17"}}
    events = [
        audit("ours", "03.000000"),
        audit("ours", "02.000000", responseObject=made),
        audit("theirs", "01.000000"),
    ]

    first, second = requests_of(events, "ours")

    assert (first.name, first.revision, first.replica, first.effective) == ("p", 17, "operator-0_x", True)
    assert first.completed - first.received == 57.5
    assert second.revision == 0


def test_a_refusals_status_has_no_revision_and_is_no_write() -> None:
    status = {"kind": "Status", "metadata": {"resourceVersion": "17"}}
    event = audit("ours", "03.0", responseObject=status, responseStatus={"code": 409})

    (one,) = requests_of([event], "ours")

    assert one.revision == 0
    assert not one.effective
