"""One operator for several namespaces, or for all: a real API server, the rights that `deploy/` gives, no nodes."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Cluster
from e2e.cluster.network import free_ports
from e2e.namespace import CRD, Namespace
from e2e.operator_process import (
    SERVICE_ACCOUNT,
    Operator,
    install_rights,
    kubeconfig_of,
    make_namespace,
    operators,
    wait_for,
)
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.apiserver

EVERYWHERE = REPOSITORY / "deploy" / "operator-all-namespaces.yaml"
HOME = "ray-operator"
MakeNamespace = Callable[[str], Namespace]


def grant(namespace: Namespace, operators_own: str) -> None:
    """Apply `deploy/namespace-role.yaml` as docs/operations.md says, for an operator that runs elsewhere."""
    text = (REPOSITORY / "deploy" / "namespace-role.yaml").read_text()
    namespace.kubectl(
        "apply", "-f", "-", stdin=text.replace("namespace: ray #", f"namespace: {operators_own} #")
    )


def wait_for_pods(namespace: Namespace, timeout: float = 30) -> None:
    """Wait until the cluster `one` of a namespace has its pods, a status, and Events that tell of it."""
    wait_for(f"three pods in {namespace.name}", lambda: len(namespace.pods("one")) == 3, timeout)
    wait_for("a status", lambda: "phase" in namespace.status("one"))
    wait_for("an Event", lambda: bool(namespace.events("CreatingPods")))


def page(port: int, path: str) -> tuple[int, str]:
    """Return the code and the text of one of the operator's pages; (0, "") while there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@pytest.fixture
def namespaces(
    apiserver_cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[MakeNamespace]:
    """A function that makes namespaces; the first is the operator's, with the rights of `operator.yaml`."""
    number = abs(hash(request.node.nodeid)) % 10**6
    made: list[Namespace] = []
    apiserver_cluster.kubectl("apply", "-f", CRD)

    def make(colour: str) -> Namespace:
        name = f"{colour}-{number}"
        if made:
            make_namespace(apiserver_cluster, name)
            kubeconfig = made[0].kubeconfig
        else:
            install_rights(apiserver_cluster, name)
            kubeconfig = kubeconfig_of(apiserver_cluster, name, tmp_path)
        made.append(Namespace(apiserver_cluster, name, tmp_path, kubeconfig))
        return made[-1]

    yield make
    for namespace in made:
        apiserver_cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


def test_clusters_of_one_name_in_two_namespaces_get_their_pods_and_lines_and_a_third_is_left_alone(
    namespaces: MakeNamespace,
) -> None:
    blue, green, red = namespaces("blue"), namespaces("green"), namespaces("red")
    grant(green, blue.name)
    grant(red, blue.name)
    for namespace in (red, blue, green):
        namespace.apply("one")

    with operators(blue.kubeconfig, blue.folder, f"--namespace={blue.name},{green.name}") as (operator,):
        for namespace in (blue, green):
            wait_for_pods(namespace)
        creations = operator.log("Creating the head")

    assert sorted(line.partition(":")[0] for line in creations) == [f"one,{blue.name}", f"one,{green.name}"]
    assert not red.pods("one")
    assert not red.status("one")
    leases = [bool(space.get("leases.coordination.k8s.io")["items"]) for space in (blue, green, red)]
    assert leases == [True, False, False], "one Lease an installation"
    owners = {
        space.name: {pod["metadata"]["ownerReferences"][0]["uid"] for pod in space.pods("one")}
        for space in (blue, green)
    }
    assert owners == {
        space.name: {space.get("rayclusters.cluster.ray.io", "one")["metadata"]["uid"]}
        for space in (blue, green)
    }


def test_a_namespace_without_rights_holds_up_no_other_and_joins_once_it_has_them(
    namespaces: MakeNamespace,
) -> None:
    blue, green = namespaces("blue"), namespaces("green")
    for namespace in (blue, green):
        namespace.apply("one")
    (port,) = free_ports(1, taken=())
    flags = ("-n", blue.name, "-n", green.name, f"--health-port={port}")

    with operators(blue.kubeconfig, blue.folder, *flags) as (operator,):
        wait_for_pods(blue)
        readiness, metrics = page(port, "/readyz"), page(port, "/metrics")[1]
        without = green.pods("one")
        grant(green, blue.name)
        wait_for_pods(green, timeout=60)
        wait_for("a page without a complaint", lambda: "left out" not in page(port, "/readyz")[1])
        told = operator.log("missing right")

    missing = f"missing right: list on pods in namespace {green.name}; grant it in the Role"
    assert readiness[0] == 200
    assert f"namespace {green.name} is left out: {missing}" in readiness[1].splitlines()
    assert f'rayctl_namespace_in_sight{{namespace="{blue.name}"}} 1.0' in metrics
    assert f'rayctl_namespace_in_sight{{namespace="{green.name}"}} 0.0' in metrics
    assert not without
    assert len(told) == 3, "once for each of rayclusters, pods and services, however often it is tried"


@pytest.fixture(scope="module")
def everywhere(apiserver_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """The namespace of an operator of all namespaces, installed as its file says; its pods wait for nodes."""
    if os.environ.get("CLUSTER") == "existing":
        pytest.skip("would reconcile RayClusters that are not the test's")
    apiserver_cluster.kubectl("apply", "-f", CRD)
    apiserver_cluster.kubectl("apply", "-f", str(EVERYWHERE))
    folder = tmp_path_factory.mktemp(HOME)
    home = Namespace(apiserver_cluster, HOME, folder, kubeconfig_of(apiserver_cluster, HOME, folder))
    wait_for("two pods", lambda: len(home.get("pods", "-l", "component=ray-operator")["items"]) == 2)
    yield home
    apiserver_cluster.kubectl("delete", "-f", str(EVERYWHERE))


def test_an_operator_of_all_namespaces_needs_no_right_but_those_of_its_file(
    everywhere: Namespace, namespaces: MakeNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    blue, green = namespaces("blue"), namespaces("green")
    with operators(blue.kubeconfig, blue.folder):
        blue.apply("earlier")
        wait_for("three pods", lambda: len(blue.pods("earlier")) == 3)
    earlier = {pod["metadata"]["uid"] for pod in blue.pods("earlier")}
    pod = everywhere.get("pods", "-l", "component=ray-operator")["items"][0]["metadata"]
    monkeypatch.setenv("RAY_OPERATOR_POD_NAMESPACE", HOME)
    monkeypatch.setenv("POD_UID", pod["uid"])
    install = yaml.safe_load_all(EVERYWHERE.read_text())
    deployment = next(document for document in install if document["kind"] == "Deployment")
    _, *flags = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    operator = Operator(pod["name"], everywhere.kubeconfig, everywhere.folder / "operator.log", tuple(flags))
    try:
        wait_for("leadership", operator.leads)
        for namespace in (blue, green):
            namespace.apply("one")
            wait_for_pods(namespace)
        wait_for(
            "the leader's label",
            lambda: len(everywhere.get("pods", "-l", "cluster.ray.io/leader")["items"]) == 1,
        )
        # Namespaces of other tests may be on their way out still: their lines are not these.
        ours = [f"one,{namespace.name}" for namespace in (blue, green)]
        lines = [line for line in operator.log() if line.partition(":")[0] in ours]
        refused = operator.log("missing right|cannot be set")
    finally:
        operator.stop()

    assert [line.partition(":")[0] for line in lines if "Creating the head" in line] == ours
    assert {pod["metadata"]["uid"] for pod in blue.pods("earlier")} == earlier, "taken on as they are"
    assert not refused
    assert not [line for line in lines if "orbidden" in line]
    (lease,) = everywhere.get("leases.coordination.k8s.io")["items"]
    assert lease["metadata"]["name"] == "ray-operator"


@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "allowed"),
    [
        pytest.param("create", "pods", "default", True, id="pods in any namespace"),
        pytest.param("patch", "rayclusters.cluster.ray.io/status", "default", True, id="status in any"),
        pytest.param("patch", "pods", HOME, True, id="its own pods' label"),
        pytest.param("update", "leases.coordination.k8s.io/ray-operator", HOME, True, id="its Lease"),
        pytest.param("patch", "pods", "default", False, id="no change of pods elsewhere"),
        pytest.param("create", "leases.coordination.k8s.io", "default", False, id="no Lease elsewhere"),
        pytest.param("create", "pods/exec", "default", False, id="no exec"),
        pytest.param("get", "secrets", "default", False, id="no Secrets"),
        pytest.param("patch", "rayclusters.cluster.ray.io", "default", False, id="not a spec"),
        pytest.param("list", "nodes", "default", False, id="no nodes"),
        pytest.param("list", "namespaces", "default", False, id="no namespaces"),
    ],
)
def test_in_all_namespaces_it_may(
    everywhere: Namespace, verb: str, resource: str, namespace: str, *, allowed: bool
) -> None:
    kind, _, name = resource.partition("/")
    asked = ["--subresource", name, kind] if name in {"status", "exec"} else [resource]
    account = f"system:serviceaccount:{HOME}:{SERVICE_ACCOUNT}"

    done = everywhere.cluster.kubectl(
        "auth", "can-i", "--as", account, "-n", namespace, verb, *asked, check=False
    )

    assert done.stdout.startswith("yes" if allowed else "no")
