"""The CRD on a real API server: accepted whole, takes users' files, keeps what it does not know, explains."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster
from e2e.crd.conftest import CRD_FILE, Space
from e2e.crd.documents import a_cluster, accepted_files, changed
from e2e.operator_process import wait_for
from rayctl.api.names import TypeName
from rayctl.api.status import (
    Condition,
    HeadStatus,
    RayClusterStatus,
    TypeStatus,
    parse_status,
    status_document,
)

pytestmark = pytest.mark.apiserver

CRD = "crd/rayclusters.cluster.ray.io"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS = RayClusterStatus(
    phase="Running",
    observed_generation=1,
    head=HeadStatus("demo-head-x", "some-uid", 2, "10.0.0.7", "demo-ray-head", ready=True),
    pod_types=(TypeStatus(TypeName("cpu"), 1, 2, 2, 1, 3, 4),),
    desired_workers=2,
    ready_workers=1,
    autoscaler_retries=6,
    conditions=(Condition("HeadReady", None, "Why", "words", 1, NOW),),
)


def apply(space: Space, document: dict[str, Any]) -> None:
    space.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def stored(space: Space, name: str = "demo") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(space.kubectl("get", "raycluster", name, "-o", "json"))
    return document


def write_status(space: Space, name: str, status: Any) -> None:
    patch = json.dumps({"status": status})
    space.kubectl("patch", "raycluster", name, "--subresource=status", "--type=merge", "-p", patch)


def test_the_api_server_has_nothing_to_complain_of(space: Space) -> None:
    definition = json.loads(space.kubectl("get", CRD, "-o", "json"))
    code, words = space.try_kubectl("apply", "--dry-run=server", "-f", str(CRD_FILE))

    conditions = {entry["type"]: entry["status"] for entry in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert code == 0
    assert "Warning" not in words


def test_a_plain_apply_leaves_room_in_the_annotation_that_it_makes(space: Space) -> None:
    definition = json.loads(space.kubectl("get", CRD, "-o", "json"))

    annotation = definition["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]

    assert len(annotation) < 30_000  # the limit is 262,144


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in accepted_files()])
def test_a_file_that_users_have_is_taken_as_it_is(space: Space, text: str) -> None:
    code, words = space.try_kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)

    assert code == 0, words
    assert "Warning" not in words


def test_all_of_a_pod_comes_back_as_it_was_given(space: Space) -> None:
    spec = {
        "containers": [
            {
                "name": "ray",
                "image": "rayproject/ray:2.60.0",
                "startupProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
                "resources": {"limits": {"cpu": 1.5, "nvidia.com/gpu": 2}, "claims": [{"name": "fast"}]},
                "fieldOfTomorrow": {"deep": [{"er": False}, 1, "x"]},
            }
        ],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "overhead": {"cpu": "250m"},
        "anotherOfTomorrow": True,
    }
    metadata = {"generateName": "demo-", "labels": {"team": "a"}, "annotations": {"note": "mine"}}
    document = changed(a_cluster(), "spec.podTypes.1.podConfig.spec", spec)
    document = changed(document, "spec.podTypes.1.podConfig.metadata", metadata)

    apply(space, document)

    pod = stored(space)["spec"]["podTypes"][1]["podConfig"]
    assert pod["spec"] == spec
    assert pod["metadata"] == metadata


def test_nothing_is_added_to_a_spec(space: Space) -> None:
    apply(space, changed(a_cluster(), "metadata.name", "bare"))

    assert stored(space, "bare")["spec"] == a_cluster()["spec"]


def test_the_operators_status_is_kept_whole(space: Space) -> None:
    apply(space, changed(a_cluster(), "metadata.name", "told"))

    write_status(space, "told", status_document(STATUS))

    assert parse_status(stored(space, "told")["status"]) == STATUS


def test_a_status_of_a_newer_operator_is_not_pruned(space: Space) -> None:
    apply(space, changed(a_cluster(), "metadata.name", "newer"))

    write_status(space, "newer", {"phase": "New", "tomorrow": 1, "head": {"tomorrow": [2]}})

    status = stored(space, "newer")["status"]
    assert (status["tomorrow"], status["head"]["tomorrow"]) == (1, [2])


def test_the_columns_say_how_a_cluster_is(space: Space) -> None:
    apply(space, changed(a_cluster(), "metadata.name", "shown"))
    write_status(space, "shown", status_document(STATUS))

    names, values = space.kubectl("get", "rayclusters.cluster.ray.io", "shown").splitlines()
    wide_names, wide = space.kubectl("get", "raycluster", "shown", "-o", "wide").splitlines()

    assert names.split() == ["NAME", "STATUS", "WORKERS", "HEAD", "RESTARTS", "AGE"]
    assert values.split()[:-1] == ["shown", "Running", "1/2", "demo-head-x", "6"]
    assert wide_names.split()[6:] == ["SERVICE", "HEAD-IP", "MAX"]
    assert wide.split()[6:] == ["demo-ray-head", "10.0.0.7"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        pytest.param("raycluster", "rayclusters.cluster.ray.io", id="how to tell it from KubeRay's"),
        pytest.param("raycluster.spec.upscalingSpeed", "Default: 1.", id="a default"),
        pytest.param("raycluster.spec.podTypes", "podConfig\t<Object> -required-", id="what is required"),
        pytest.param("raycluster.spec.podTypes.rayResources", "<map[string]integer>", id="a map's values"),
        pytest.param(
            "raycluster.spec.podTypes.podConfig.spec", "kubectl explain pod.spec", id="where to go on"
        ),
        pytest.param("raycluster.status.head", "podName", id="the status"),
    ],
)
def test_kubectl_explains(space: Space, field: str, said: str) -> None:
    assert said in space.kubectl("explain", field)


def test_one_number_may_belong_to_another_manager(space: Space) -> None:
    """What ``podTypes`` is a map by name for: server-side apply of one type's field leaves the rest alone."""
    document = changed(a_cluster(), "metadata.name", "shared")
    apply(space, document)
    scaling = {
        **document,
        "spec": {"headPodType": "head", "podTypes": [{"name": "cpu", "minWorkers": 7}]},
    }

    words = ("apply", "--server-side", "--force-conflicts", "--field-manager=scaler", "-f", "-")
    space.kubectl(*words, stdin=json.dumps(scaling))

    wanted = changed(document, "spec.podTypes.1.minWorkers", 7)["spec"]
    assert stored(space, "shared")["spec"] == wanted


def test_a_cluster_from_before_the_rules_can_still_be_told_of_mended_and_deleted(
    space: Space, apiserver_cluster: Cluster
) -> None:
    bad_pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}}
    twice = {"name": "a b", "podConfig": bad_pod}
    old = changed(a_cluster(), "metadata", {"name": "2nd.one", "finalizers": ["example.com/old"]})
    old = changed(old, "spec", {"headPodType": "gone", "maxWorkers": -1, "podTypes": [twice, twice]})
    lenient = yaml.safe_load(CRD_FILE.read_text())
    lenient["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    try:
        apiserver_cluster.kubectl("apply", "-f", "-", stdin=json.dumps(lenient))
        wait_for("the rules to be off", lambda: _applies(space, old))
    finally:
        apiserver_cluster.kubectl("apply", "-f", str(CRD_FILE))
    another = changed(old, "metadata", {"name": "3rd.one"})
    wait_for("the rules to be on", lambda: not _applies(space, another, "--dry-run=server"))

    write_status(space, "2nd.one", status_document(STATUS))
    space.kubectl("label", "raycluster", "2nd.one", "mended=no")
    code, words = space.try_kubectl(
        "patch", "raycluster", "2nd.one", "--type=merge", "-p", '{"spec":{"maxWorkers":2}}'
    )
    space.kubectl("delete", "raycluster", "2nd.one", "--wait=false")
    space.kubectl("patch", "raycluster", "2nd.one", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')

    assert code == 1
    assert "no pod type is called 'gone'" in words
    assert "2nd.one" not in space.kubectl("get", "rayclusters")


def _applies(space: Space, document: dict[str, Any], *flags: str) -> bool:
    return space.try_kubectl("apply", *flags, "-f", "-", stdin=json.dumps(document))[0] == 0
