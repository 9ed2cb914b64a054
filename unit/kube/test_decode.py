"""What the API says of a pod, a Service and a RayCluster, as records."""

import gc
from typing import Any

import msgspec
import orjson
import pytest

from rayctl.api.document import SpecError
from rayctl.api.names import ClusterKey, Role
from rayctl.api.raycluster import RayCluster
from rayctl.kube.decode import ClusterReader, Event, Page, cluster_view, pod_view, read, service_view
from unit.builders import UID, a_cluster_document

WAITING_FOR_IMAGE = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
BEING_CREATED = {"waiting": {"reason": "ContainerCreating"}}
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/4 nodes are available",
}


def a_pod(
    *, status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **metadata: Any
) -> bytes:
    given = {"name": "a", "namespace": "ray", "uid": "u", "resourceVersion": "42"}
    document = {"metadata": given | metadata, "spec": spec or {}, "status": status or {}}
    return orjson.dumps(document)


def a_container(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "ray", "ready": False, "restartCount": 0, "state": state, **fields}


def test_an_annotation_of_any_length_is_read_as_none() -> None:
    pod = pod_view(a_pod(annotations={"cluster.ray.io/ordinal": "9" * 5000}))

    assert pod.ordinal == -1


def test_a_pod_of_ours_tells_what_it_is_for() -> None:
    pod = pod_view(
        a_pod(
            labels={"ray-cluster-name": "c", "ray-node-type": "head", "ray-user-node-type": "head-node"},
            annotations={
                "cluster.ray.io/ordinal": "3",
                "cluster.ray.io/incarnation": "2",
                "cluster.ray.io/fingerprint": "abc",
            },
            ownerReferences=[{"uid": "someone"}, {"uid": UID, "controller": True}],
            creationTimestamp="1970-01-01T00:01:00Z",
            deletionTimestamp="1970-01-01T00:02:00Z",
            spec={"nodeName": "n1", "containers": [{"name": "ray"}, {"name": "a-log-shipper"}]},
            status={
                "phase": "Running",
                "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}],
                # The kubelet sorts them by name.
                "containerStatuses": [
                    a_container({"running": {}}, name="a-log-shipper", restartCount=7),
                    a_container({"running": {}}, restartCount=2),
                ],
            },
        )
    )

    assert (pod.key, pod.owner, pod.resource_version) == (ClusterKey("ray", "c"), UID, 42)
    assert (pod.role, pod.pod_type, pod.ordinal, pod.incarnation) == (Role.HEAD, "head-node", 3, 2)
    assert (pod.fingerprint, pod.phase, pod.node, pod.ip) == ("abc", "Running", "n1", "10.0.0.1")
    assert (pod.ready, pod.scheduled, pod.deleting, pod.restarts, pod.created) == (True, True, True, 2, 60.0)
    assert (pod.reason, pod.message) == ("", "")


def test_a_host_of_a_slice_tells_which_one_it_is_of() -> None:
    pod = pod_view(a_pod(labels={"cluster.ray.io/slice": "7"}, annotations={"cluster.ray.io/hosts": "4"}))

    assert (pod.slice, pod.hosts) == ("7", 4)


def test_a_pod_of_an_operator_that_did_not_count_has_no_ordinal() -> None:
    pod = pod_view(a_pod(labels={"ray-cluster-name": "c", "ray-node-type": "worker"}))

    assert (pod.owner, pod.ordinal, pod.incarnation, pod.phase, pod.ready) == ("", -1, 0, "Pending", False)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "three", "٣ three"])
def test_an_ordinal_edited_by_hand_to_nonsense_is_none(text: str) -> None:
    assert pod_view(a_pod(annotations={"cluster.ray.io/ordinal": text})).ordinal == -1


def test_lists_and_mappings_may_be_null() -> None:
    pod = pod_view(
        a_pod(
            labels=None,
            annotations=None,
            ownerReferences=None,
            status={"conditions": None, "containerStatuses": None, "initContainerStatuses": None},
        )
    )

    assert pod.key == ClusterKey("ray", "")


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        pytest.param({"phase": "Pending"}, "", "", id="nothing is wrong"),
        pytest.param(
            {"conditions": [UNSCHEDULABLE]}, "Unschedulable", "0/4 nodes are available", id="no node has room"
        ),
        pytest.param(
            {"containerStatuses": [a_container(WAITING_FOR_IMAGE)]},
            "ImagePullBackOff",
            "Back-off pulling image",
            id="no image",
        ),
        pytest.param({"containerStatuses": [a_container(BEING_CREATED)]}, "", "", id="it is under way"),
        pytest.param(
            {"initContainerStatuses": [a_container(WAITING_FOR_IMAGE)], "containerStatuses": []},
            "ImagePullBackOff",
            "Back-off pulling image",
            id="no image of an init container",
        ),
        pytest.param(
            {"containerStatuses": [a_container({"terminated": {"reason": "OOMKilled", "exitCode": 137}})]},
            "OOMKilled",
            "exit code 137",
            id="out of memory",
        ),
        pytest.param(
            {"containerStatuses": [a_container({"terminated": {"reason": "Completed", "exitCode": 0}})]},
            "",
            "",
            id="an init container that has done its work is no reason",
        ),
        pytest.param(
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "low on memory",
                "containerStatuses": [a_container({"terminated": {"reason": "Error", "exitCode": 137}})],
            },
            "Evicted",
            "low on memory",
            id="evicted, which is why its container ended",
        ),
    ],
)
def test_why_a_pod_does_not_run(status: dict[str, Any], reason: str, message: str) -> None:
    pod = pod_view(a_pod(status=status))

    assert (pod.reason, pod.message) == (reason, message)


def test_a_long_message_is_cut() -> None:
    status = {"conditions": [UNSCHEDULABLE | {"message": "x" * 1000}]}

    assert len(pod_view(a_pod(status=status)).message) == 256


def test_strings_that_many_pods_share_are_kept_once() -> None:
    first, second = (pod_view(a_pod(labels={"ray-cluster-name": "c"}, spec={"nodeName": "n1"})) for _ in "ab")

    assert first.node is second.node
    assert first.key.name is second.key.name


def test_a_service_tells_its_address_and_its_fingerprint() -> None:
    service = service_view(
        orjson.dumps(
            {
                "metadata": {
                    "name": "c-ray-head",
                    "namespace": "ray",
                    "labels": {"ray-cluster-name": "c"},
                    "annotations": {"cluster.ray.io/fingerprint": "abc"},
                },
                "spec": {"clusterIP": "10.96.0.9"},
            }
        )
    )

    assert service.key == ClusterKey("ray", "c")
    assert service.fingerprint == "abc"


def test_a_cluster_is_understood() -> None:
    document = a_cluster_document() | {"status": {"phase": "Running"}}

    cluster = cluster_view(orjson.dumps(document))

    assert isinstance(cluster.spec, RayCluster)
    assert (cluster.uid, cluster.generation, cluster.status.phase) == (UID, 1, "Running")


def test_a_cluster_that_is_not_understood_says_why() -> None:
    cluster = cluster_view(orjson.dumps(a_cluster_document(headPodType="nowhere")))

    assert isinstance(cluster.spec, SpecError)
    assert "spec.headPodType" in str(cluster.spec)


def a_cluster(*, phase: str = "", spec: dict[str, Any] | None = None, **metadata: Any) -> bytes:
    document = a_cluster_document(**(spec or {}))
    document["metadata"] |= metadata
    return orjson.dumps(document | {"status": {"phase": phase}})


def test_a_spec_is_understood_once_however_often_the_status_changes() -> None:
    reader = ClusterReader()
    first = reader(a_cluster(phase="Starting"))

    again = reader(a_cluster(phase="Running", resourceVersion="7"))

    assert again.spec is first.spec
    assert (again.status.phase, again.resource_version) == ("Running", 7)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"generation": 2, "spec": {"maxWorkers": 9}}, id="its spec"),
        pytest.param({"labels": {"try": "again"}}, id="a label"),
        pytest.param({"annotations": {"try": "again"}}, id="an annotation"),
        pytest.param({"uid": "of another life", "spec": {"maxWorkers": 9}}, id="its life"),
    ],
)
def test_it_is_understood_anew_when_anything_changes_that_is_read_of_it(changes: dict[str, Any]) -> None:
    reader = ClusterReader()
    first = reader(a_cluster())

    changed = reader(a_cluster(**changes))

    assert changed.spec == cluster_view(a_cluster(**changes)).spec
    assert changed.spec != first.spec


def test_a_spec_that_is_not_understood_leaves_the_last_one_that_was_for_as_long_as_anybody_holds_it() -> None:
    reader = ClusterReader()
    views = [reader(a_cluster(generation=1))]
    spec = views[0].spec

    views = [reader(a_cluster(generation=number, spec={"maxWorkers": -number})) for number in (2, 3)]
    mended = reader(a_cluster(generation=4, spec={"maxWorkers": 9}))

    assert [view.spec for view in views] == [spec, spec]
    assert [view.generation for view in views] == [2, 3]
    assert "spec.maxWorkers" in str(views[1].refused)
    assert (mended.refused, mended.spec == spec) == (None, False)
    del spec, mended
    views.clear()
    gc.collect()
    assert isinstance(reader(a_cluster(generation=5, spec={"maxWorkers": -5})).spec, SpecError)


def test_a_label_is_not_taken_for_an_annotation() -> None:
    reader = ClusterReader()
    first = reader(a_cluster(labels={"try": "again"}))

    changed = reader(a_cluster(annotations={"try": "again"}))

    assert changed.spec != first.spec


def test_what_was_understood_is_forgotten_with_the_cluster() -> None:
    reader = ClusterReader()
    views = [reader(a_cluster()), reader(a_cluster(uid="bad", spec={"maxWorkers": -1}))]
    assert len(reader._known) == 2

    views.clear()
    gc.collect()

    assert len(reader._known) == 0


def test_what_is_no_object_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        pod_view(b'{"metadata": []}')


def nested(levels: int) -> bytes:
    """A RayCluster with a pod that is nested so deep, as the API server keeps it."""
    whole = orjson.dumps(a_cluster_document()).replace(
        b'"spec":{"containers"', b'"spec":{"x":"@","containers"'
    )
    assert b'"@"' in whole
    return whole.replace(b'"@"', b'{"a":' * levels + b"1" + b"}" * levels)


@pytest.mark.parametrize("levels", [60, 500, 1500, 9000])
def test_a_cluster_without_a_bottom_is_refused_and_stops_nobody(levels: int) -> None:
    refused = cluster_view(nested(levels)).spec

    assert isinstance(refused, SpecError)
    assert [(error.path, error.problem) for error in refused.fields] == [
        (
            f"spec.podTypes[{index}].podConfig.spec.x.a.a.a.a.a.a",
            "mappings and lists stand more than 50 deep in each other",
        )
        for index in (0, 1)
    ]


def test_it_takes_neither_the_list_nor_the_stream_along_that_it_stands_in() -> None:
    body = nested(9000)

    page = read(b'{"metadata":{"resourceVersion":"7"},"items":[' + body + b"," + body + b"]}", Page)
    event = read(b'{"type":"ADDED","object":' + body + b"}", Event)

    assert page.metadata.resource_version == "7"
    assert page.items is not None
    for wire in (*page.items, event.object):
        view = cluster_view(wire)
        assert view.key.name == "example-cluster"
        assert isinstance(view.spec, SpecError)
