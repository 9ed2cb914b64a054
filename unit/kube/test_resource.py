"""Calls as paths of the API and as words of RBAC."""

import pytest

from rayctl.kube.resource import LEASES, PODS, RAYCLUSTERS, Call, Verb


@pytest.mark.parametrize(
    ("call", "method", "path", "words"),
    [
        pytest.param(
            Call(verb=Verb.CREATE, resource=PODS, namespace="ray"),
            "POST",
            "/api/v1/namespaces/ray/pods",
            "create pods in namespace ray",
            id="a collection of the core group",
        ),
        pytest.param(
            Call(verb=Verb.UPDATE, resource=LEASES, namespace="ray", name="x"),
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/ray/leases/x",
            "update leases.coordination.k8s.io x in namespace ray",
            id="an object of a named group",
        ),
        pytest.param(
            Call(verb=Verb.PATCH, resource=RAYCLUSTERS, namespace="ray", name="x", subresource="status"),
            "PATCH",
            "/apis/cluster.ray.io/v1/namespaces/ray/rayclusters/x/status",
            "patch rayclusters.cluster.ray.io/status x in namespace ray",
            id="a subresource",
        ),
        pytest.param(
            Call(verb=Verb.WATCH, resource=PODS, namespace="", query={"watch": "1", "labelSelector": "a=b"}),
            "GET",
            "/api/v1/pods?watch=1&labelSelector=a%3Db",
            "watch pods in all namespaces",
            id="all namespaces, with a query",
        ),
    ],
)
def test_a_call(call: Call, method: str, path: str, words: str) -> None:
    assert (call.verb.method, call.path, str(call)) == (method, path, words)
