from dataclasses import replace

from rayctl.api.names import ClusterKey, Role
from rayctl.core.build.metadata import owner_reference, pod_labels
from unit.builders import UID, a_cluster, a_pod_type


def test_the_owner_is_the_cluster_and_its_only_controller() -> None:
    assert owner_reference(a_cluster()) == {
        "apiVersion": "cluster.ray.io/v1",
        "kind": "RayCluster",
        "name": "example-cluster",
        "uid": UID,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_a_head_has_the_labels_that_people_select_on() -> None:
    assert pod_labels(a_cluster(), a_pod_type("head-node"), Role.HEAD) == {
        "ray-cluster-name": "example-cluster",
        "ray-node-type": "head",
        "ray-node-name": "ray-example-cluster-head",
        "ray-user-node-type": "head-node",
        "cluster.ray.io/component": "example-cluster-ray-head",
    }


def test_a_worker_is_no_component() -> None:
    labels = pod_labels(a_cluster(), a_pod_type("gpu"), Role.WORKER)

    assert labels["ray-node-type"] == "worker"
    assert "cluster.ray.io/component" not in labels


def test_no_label_of_a_long_name_is_too_long() -> None:
    cluster = replace(a_cluster(), key=ClusterKey("ray", "a" * 54))

    labels = pod_labels(cluster, a_pod_type(), Role.WORKER)

    assert max(len(str(value)) for value in labels.values()) == 63
