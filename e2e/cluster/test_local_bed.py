"""The bed does what the tests on it take for granted; the tests of nodes share the session's bed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster, Component, Profile, UnsupportedError, open_cluster
from e2e.cluster.layout import Layout
from e2e.cluster.lifecycle import held, take_down
from e2e.cluster.process import is_alive, marked_processes
from e2e.cluster.progress import Progress
from e2e.cluster.readiness import ready_nodes
from e2e.cluster.state import Journal, Kind, Resource

PODS = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: sleep
        image: localhost/pause:1
        imagePullPolicy: Always
        command: [/busybox, sh, -c, "echo hello; exec /busybox httpd -f -p 8080"]
---
apiVersion: v1
kind: Service
metadata: {name: everywhere}
spec:
  selector: {app: everywhere}
  ports: [{port: 80, targetPort: 8080}]
"""


@pytest.fixture(scope="module")
def pods(nodes_cluster: Cluster) -> Iterator[Cluster]:
    nodes_cluster.kubectl("apply", "-f", "-", stdin=PODS)
    nodes_cluster.kubectl("rollout", "status", "daemonset/everywhere", "--timeout=60s")

    yield nodes_cluster

    nodes_cluster.kubectl("delete", "-f", "-", stdin=PODS)


def shell(cluster: Cluster, command: str) -> str:
    return cluster.kubectl("exec", "daemonset/everywhere", "--", "/busybox", "sh", "-c", command).stdout


@pytest.mark.apiserver
def test_the_api_server_is_the_version_that_go_mod_names(apiserver_cluster: Cluster) -> None:
    version = json.loads(apiserver_cluster.kubectl("version", "-o", "json").stdout)

    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"]
    go_mod = (Path(__file__).parents[1] / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes {version['serverVersion']['gitVersion']}\n" in go_mod


@pytest.mark.apiserver
def test_controllers_run_without_nodes(apiserver_cluster: Cluster) -> None:
    apiserver_cluster.kubectl("create", "deployment", "controlled", "--image=none", "--replicas=2")

    apiserver_cluster.kubectl(
        "wait", "deployment/controlled", "--for=jsonpath={.status.unavailableReplicas}=2", "--timeout=20s"
    )
    apiserver_cluster.kubectl("delete", "deployment", "controlled")


@pytest.mark.apiserver
def test_a_bed_without_nodes_says_so(apiserver_cluster: Cluster) -> None:
    with pytest.raises(UnsupportedError, match="profile nodes"):
        apiserver_cluster.add_node()


@pytest.mark.apiserver
def test_each_finished_request_is_in_the_audit_log(apiserver_cluster: Cluster, tmp_path: Path) -> None:
    apiserver_cluster.kubectl("create", "configmap", "audited")
    apiserver_cluster.kubectl("delete", "configmap", "audited")

    apiserver_cluster.gather(tmp_path)

    lines = (tmp_path / "components" / "audit.jsonl").read_text().splitlines()
    verbs = [
        event["verb"]
        for event in map(json.loads, lines)
        if event.get("objectRef", {}).get("name") == "audited" and event["verb"] in {"create", "delete"}
    ]
    assert verbs == ["create", "delete"]


@pytest.mark.apiserver
def test_two_beds_stand_side_by_side(apiserver_cluster: Cluster) -> None:
    with open_cluster(Profile.APISERVER) as second:
        second.kubectl("create", "namespace", "only-in-the-second")

        assert second.name != apiserver_cluster.name
        assert "only-in-the-second" not in apiserver_cluster.kubectl("get", "namespaces").stdout


@pytest.mark.apiserver
def test_the_api_server_can_be_stopped_and_keeps_what_it_had(apiserver_cluster: Cluster) -> None:
    apiserver_cluster.kubectl("create", "namespace", "kept")

    apiserver_cluster.stop(Component.APISERVER)
    assert apiserver_cluster.kubectl("get", "namespaces", check=False).returncode != 0
    apiserver_cluster.restart(Component.ETCD)
    apiserver_cluster.start(Component.APISERVER)

    assert "kept" in apiserver_cluster.kubectl("get", "namespaces").stdout


@pytest.mark.apiserver
def test_what_a_killed_run_left_is_removed() -> None:
    program = (
        "import time\n"
        "from e2e.cluster import Profile, open_cluster\n"
        "with open_cluster(Profile.APISERVER, name='killed'):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        while run.stdout.readline() not in {"up\n", ""}:
            continue
        run.send_signal(signal.SIGKILL)
    layout = Layout.of("killed")
    left = [r for r in Journal(layout.journal).resources() if r.kind is Kind.PROCESS]
    assert [r.name for r in left if is_alive(r)] == [r.name for r in left]

    with held("killed"):
        take_down("killed", Progress())

    assert not any(is_alive(r) for r in left)
    assert not layout.root.exists()


@pytest.mark.apiserver
def test_a_process_that_the_journal_does_not_know_is_found_by_its_marker() -> None:
    with open_cluster(Profile.APISERVER, name="unlisted") as cluster:
        layout = Layout.of(cluster.name)
        layout.journal.unlink()
        orphans = tuple(marked_processes(layout))
        assert len(orphans) == 4

    assert not any(is_alive(r) for r in orphans)


@pytest.mark.apiserver
def test_pods_on_fake_nodes_run_and_go_at_once() -> None:
    with open_cluster(Profile.APISERVER, fake_nodes=5) as cluster:
        cluster.kubectl("create", "deployment", "fake", "--image=none", "--replicas=20")
        cluster.kubectl("rollout", "status", "deployment/fake", "--timeout=60s")

        assert len(cluster.nodes()) == 5
        cluster.kubectl("delete", "deployment", "fake", "--cascade=foreground", "--timeout=60s")
        assert cluster.kubectl("get", "pods", "-o", "name").stdout == ""


@pytest.mark.apiserver
def test_an_existing_cluster_is_used_in_a_namespace_that_goes_afterwards(
    apiserver_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KUBECONFIG", "PATH"):
        monkeypatch.setenv(name, apiserver_cluster.environment[name])
    monkeypatch.setenv("CLUSTER", "existing")

    with open_cluster(Profile.APISERVER) as existing:
        existing.kubectl("create", "configmap", "mine")
        found = apiserver_cluster.kubectl("get", "configmap", "mine", "-n", existing.namespace, "-o", "name")
        with pytest.raises(UnsupportedError, match="not the bed's own"):
            existing.stop(Component.APISERVER)

    assert found.stdout == "configmap/mine\n"
    namespaces = apiserver_cluster.kubectl("get", "namespaces", "-o", "name").stdout.split()
    assert f"namespace/{existing.namespace}" not in namespaces


@pytest.mark.nodes
def test_four_nodes_are_ready_and_offer_two_processors_each(nodes_cluster: Cluster) -> None:
    nodes = json.loads(nodes_cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]

    assert {"node1", "node2", "node3", "node4"} <= ready_nodes(nodes, None)
    assert {node["status"]["allocatable"]["cpu"] for node in nodes} == {str(min(2, os.cpu_count() or 2))}


@pytest.mark.nodes
def test_names_of_services_resolve_and_lead_to_pods(pods: Cluster) -> None:
    assert "10." in shell(pods, "/busybox nslookup everywhere.default.svc.cluster.local")
    assert "404" in shell(pods, "/busybox wget -O- http://everywhere/ 2>&1 || true")


@pytest.mark.nodes
def test_pods_reach_pods_of_every_other_node(pods: Cluster) -> None:
    addresses = pods.kubectl(
        "get", "pods", "-l", "app=everywhere", "-o", "jsonpath={.items[*].status.podIP}"
    ).stdout.split()

    assert len(addresses) >= 4
    for address in addresses:
        assert "404" in shell(pods, f"/busybox wget -O- http://{address}:8080/ 2>&1 || true")


@pytest.mark.nodes
def test_logs_come_from_the_node(pods: Cluster) -> None:
    assert "hello" in pods.kubectl("logs", "daemonset/everywhere").stdout


@pytest.mark.nodes
def test_a_killed_node_runs_nothing_and_comes_back(pods: Cluster) -> None:
    layout = Layout.of(pods.name)

    pods.kill_node("node2")
    survivors = [r for r in marked_processes(layout) if b"node2" in command_line(r)]
    pods.start_node("node2")

    assert survivors == []
    pods.kubectl("rollout", "status", "daemonset/everywhere", "--timeout=60s")
    assert "Ready" in pods.kubectl("get", "node", "node2").stdout


@pytest.mark.nodes
def test_a_cut_node_cannot_be_reached_until_it_is_healed(pods: Cluster) -> None:
    selection = ("-l", "app=everywhere", "--field-selector=spec.nodeName=node3")
    address = pods.kubectl("get", "pods", *selection, "-o", "jsonpath={.items[0].status.podIP}").stdout
    assert is_reachable(address)

    pods.cut_node("node3")
    reachable_when_cut = is_reachable(address)
    pods.heal_node("node3")

    assert not reachable_when_cut
    assert is_reachable(address)


@pytest.mark.nodes
def test_a_bed_whose_nodes_never_started_is_replaced() -> None:
    killed_before_start = (
        "import os\n"
        "from e2e.cluster.cli import main\n"
        "from e2e.cluster.node import Node\n"
        "Node.start = lambda self: os.kill(os.getpid(), 9)\n"
        "main(['up', '--name', 'unstarted', '--nodes', '1'])\n"
    )
    run = subprocess.run([sys.executable, "-c", killed_before_start], capture_output=True, check=False)

    with open_cluster(Profile.NODES, nodes=1, name="unstarted") as cluster:
        assert run.returncode == -signal.SIGKILL
        assert cluster.nodes() == ("node1",)


@pytest.mark.nodes
def test_nothing_of_a_bed_with_nodes_is_left_afterwards() -> None:
    with open_cluster(Profile.NODES, nodes=1, name="traces") as cluster:
        layout = Layout.of(cluster.name)
        resources = Journal(layout.journal).resources()
        assert {r.kind for r in resources} == set(Kind)
        assert list(traces(layout, resources))

    assert list(traces(layout, resources)) == []


def is_reachable(address: str) -> bool:
    """Whether a pod of PODS answers the host."""
    try:
        socket.create_connection((address, 8080), timeout=3).close()
    except OSError:
        return False
    return True


def traces(layout: Layout, resources: tuple[Resource, ...]) -> Iterator[str]:
    """What can be seen of a bed on the machine."""
    for resource in resources:
        match resource.kind:
            case Kind.PROCESS if is_alive(resource):
                yield f"process {resource.name}"
            case Kind.NAMESPACE if Path("/run/netns", resource.name).exists():
                yield f"namespace {resource.name}"
            case Kind.LINK if Path("/sys/class/net", resource.name).exists():
                yield f"link {resource.name}"
            case Kind.CGROUP:
                yield from (str(p) for p in Path("/sys/fs/cgroup").glob(f"**/{resource.name}"))
    yield from (f"process {r.pid}" for r in marked_processes(layout))
    yield from (m for m in Path("/proc/self/mountinfo").read_text().split() if str(layout.root) in m)
    yield from (str(p) for p in Path("/var/log/containers").glob("*") if not p.exists())


def command_line(process: Resource) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
