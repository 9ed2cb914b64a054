"""The operator's manifests on a real API server: valid, admitted under restricted security, few rights."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster
from e2e.crd.conftest import Space
from e2e.operator_process import wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.apiserver

DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(scope="module")
def restricted(space: Space, apiserver_cluster: Cluster) -> Iterator[Space]:
    """A namespace that admits pods of the strictest security standard alone."""
    name = f"{space.name}-restricted"
    apiserver_cluster.kubectl("create", "namespace", name)
    levels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    apiserver_cluster.kubectl("label", "namespace", name, *levels)
    yield Space(apiserver_cluster, name)
    apiserver_cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_both_replicas_are_admitted_where_restricted_security_is_enforced(restricted: Space) -> None:
    code, words = restricted.try_kubectl("apply", "-f", str(DEPLOY / "operator.yaml"))
    wait_for(
        "two replicas",
        lambda: (
            restricted.kubectl("get", "deployment", "ray-operator", "-o", "jsonpath={.status.replicas}")
            == "2"
        ),
    )
    pods = json.loads(restricted.kubectl("get", "pods", "-l", "component=ray-operator", "-o", "json"))[
        "items"
    ]

    assert code == 0
    assert "Warning" not in words
    assert len(pods) == 2


def test_the_bare_pod_is_admitted_there_too_and_is_made_in_the_order_of_the_seed(restricted: Space) -> None:
    restricted.try_kubectl("delete", "--ignore-not-found", "-f", str(DEPLOY / "operator.yaml"))

    code, words = restricted.try_kubectl("apply", "-f", str(DEPLOY / "operator-pod.yaml"))

    assert code == 0
    assert words.splitlines() == [
        "serviceaccount/ray-operator-serviceaccount created",
        "role.rbac.authorization.k8s.io/ray-operator-role created",
        "rolebinding.rbac.authorization.k8s.io/ray-operator-rolebinding created",
        "pod/ray-operator-pod created",
    ]


@pytest.fixture(scope="module")
def account(space: Space) -> str:
    """The operator's service account, with the rights that the manifest gives."""
    space.kubectl("apply", "-f", str(DEPLOY / "operator.yaml"))
    return f"system:serviceaccount:{space.name}:ray-operator-serviceaccount"


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        pytest.param("watch", "rayclusters.cluster.ray.io", True, id="it watches RayClusters"),
        pytest.param("patch", "rayclusters.cluster.ray.io/status", True, id="it writes their status"),
        pytest.param("update", "rayclusters.cluster.ray.io/finalizers", True, id="it owns for them"),
        pytest.param("create", "pods", True, id="it makes pods"),
        pytest.param("watch", "pods", True, id="it sees pods, and how its leader's ended"),
        pytest.param("patch", "services", True, id="it applies Services"),
        pytest.param("create", "events", True, id="it tells Events"),
        pytest.param("create", "leases.coordination.k8s.io", True, id="it makes its Lease"),
        pytest.param("update", "leases.coordination.k8s.io/ray-operator", True, id="it renews its Lease"),
        pytest.param("update", "leases.coordination.k8s.io/other", False, id="not other Leases"),
        pytest.param("patch", "rayclusters.cluster.ray.io", False, id="not a spec"),
        pytest.param("delete", "rayclusters.cluster.ray.io", False, id="not the end of a RayCluster"),
        pytest.param("create", "pods/exec", False, id="no exec"),
        pytest.param("get", "secrets", False, id="no Secrets"),
        pytest.param("create", "roles.rbac.authorization.k8s.io", False, id="no Roles"),
        pytest.param("list", "nodes", False, id="no nodes"),
        pytest.param("list", "namespaces", False, id="no namespaces"),
    ],
)
def test_the_role_allows_what_the_operator_does_and_no_more(
    space: Space, account: str, verb: str, resource: str, *, allowed: bool
) -> None:
    kind, _, name = resource.partition("/")
    asked = ["--subresource", name, kind] if name in {"status", "finalizers", "exec"} else [resource]

    _, words = space.try_kubectl("auth", "can-i", "--as", account, verb, *asked)

    assert words.startswith("yes" if allowed else "no")


def test_the_role_counts_in_its_own_namespace_only(space: Space, account: str) -> None:
    _, words = space.try_kubectl("auth", "can-i", "--as", account, "list", "pods", "-n", "default")

    assert words.startswith("no")
