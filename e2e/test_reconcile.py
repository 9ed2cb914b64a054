"""The operator, as a process with its own rights, against a real API server. Pods stay Pending: there are no nodes.

Where a test needs a pod to be ready or to have failed, it writes the pod's status as a kubelet would.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from e2e.namespace import EXAMPLE, Namespace
from e2e.operator_process import Operator, operators, wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.apiserver


def test_a_new_cluster_gets_a_service_a_head_and_its_workers(space: Namespace, operator: Operator) -> None:
    space.apply("one")
    wait_for(
        "head and two workers", lambda: (space.count("one", "head"), space.count("one", "worker")) == (1, 2)
    )

    service = space.get("service", "one-ray-head")
    resource = space.get("rayclusters.cluster.ray.io", "one")
    owners = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in space.pods("one")}

    assert owners == {resource["metadata"]["uid"]} == {service["metadata"]["ownerReferences"][0]["uid"]}
    assert {"client", "dashboard", "ray-serve"} <= {port["name"] for port in service["spec"]["ports"]}
    lines = operator.log("Creating the head")
    assert lines
    assert all(line.startswith("one:") for line in lines)


def test_the_status_follows_the_pods_to_running_and_away_from_it(
    space: Namespace, operator: Operator
) -> None:
    space.apply("one")
    wait_for("three pods", lambda: len(space.pods("one")) == 3)
    wait_for("a phase", lambda: space.status("one").get("phase") == "Starting")
    names = [pod["metadata"]["name"] for pod in space.pods("one")]

    for name in names:
        space.report(name, "Running", ready=True)
    wait_for("Running", lambda: space.status("one")["phase"] == "Running")
    status = space.status("one")
    space.report(names[-1], "Running", ready=False)
    wait_for("no longer Running", lambda: space.status("one")["phase"] == "Updating")

    assert status["readyWorkers"] == status["desiredWorkers"] == 2
    assert status["observedGeneration"] == 1
    table = space.kubectl("get", "rayclusters.cluster.ray.io", "one")
    assert "Updating" in table
    assert "1/2" in table
    assert operator.log(r"^one:.*Running")


def test_an_edit_of_the_numbers_of_workers_adds_and_removes_pods_and_keeps_the_others(
    space: Namespace, operator: Operator
) -> None:
    space.apply("one", minWorkers=2)
    wait_for("three pods", lambda: len(space.pods("one")) == 3)
    before = {pod["metadata"]["uid"] for pod in space.pods("one")}

    space.apply("one", minWorkers=3)
    wait_for("four pods", lambda: len(space.pods("one")) == 4)
    more = {pod["metadata"]["uid"] for pod in space.pods("one")}
    space.apply("one", minWorkers=1, maxWorkers=1)
    wait_for("two pods", lambda: len(space.pods("one")) == 2)

    assert before < more
    assert {pod["metadata"]["uid"] for pod in space.pods("one")} < more
    assert operator.log("^one:.*Removing 2 pods")


def test_a_pod_that_failed_is_replaced_and_removed(space: Namespace, operator: Operator) -> None:
    space.apply("one")
    wait_for("three pods", lambda: len(space.pods("one")) == 3)
    victim = next(p for p in space.pods("one") if p["metadata"]["labels"]["ray-node-type"] == "worker")

    space.report(victim["metadata"]["name"], "Failed", ready=False)
    wait_for(
        "the failed pod to be replaced",
        lambda: (
            victim["metadata"]["uid"] not in {p["metadata"]["uid"] for p in space.pods("one")}
            and len(space.pods("one")) == 3
        ),
    )

    assert operator.log("^one:.*has ended")
    wait_for("an Event", lambda: bool(space.events("PodEnded")))


def test_a_deleted_cluster_takes_its_pods_along_and_no_others(space: Namespace, operator: Operator) -> None:
    space.apply("one")
    space.apply("two")
    wait_for("six pods", lambda: len(space.pods("one")) == len(space.pods("two")) == 3)
    kept = {pod["metadata"]["uid"] for pod in space.pods("two")}

    space.kubectl("delete", "rayclusters.cluster.ray.io", "one")
    wait_for("the pods to be gone", lambda: not space.pods("one"))

    assert {pod["metadata"]["uid"] for pod in space.pods("two")} == kept
    assert operator.log("^one:.*(gone|deleted)")


def test_a_quota_is_told_in_the_servers_words_and_holds_up_no_other_cluster(
    space: Namespace, operator: Operator
) -> None:
    space.kubectl("create", "quota", "few", "--hard=pods=2")
    wait_for("the quota to be in force", lambda: "used" in space.get("quota", "few").get("status", {}))

    space.apply("one")
    wait_for("a refusal", lambda: space.condition("one", "WorkersReady").get("reason") == "FailedCreate")
    space.kubectl("delete", "quota", "few")
    space.apply("two")
    wait_for("the other cluster's pods", lambda: len(space.pods("two")) == 3, timeout=4)
    wait_for("the retry", lambda: len(space.pods("one")) == 3, timeout=40)

    assert len(space.pods("one")) == 3
    assert operator.log("^one:.*exceeded quota: few")
    event = space.events("FailedCreate")[0]
    assert event["type"] == "Warning"
    assert "exceeded quota" in event["message"]


def test_a_pod_that_the_server_does_not_take_is_told_with_the_field(
    space: Namespace, operator: Operator
) -> None:
    document = json.loads(json.dumps(EXAMPLE))
    document["metadata"] = {"name": "bad"}
    toleration = {"key": "spot", "operator": "Sometimes"}
    document["spec"]["podTypes"][1]["podConfig"]["spec"]["tolerations"] = [toleration]

    space.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    wait_for("a refusal", lambda: space.condition("bad", "WorkersReady").get("reason") == "FailedCreate")

    assert "spec.tolerations[0].operator" in space.condition("bad", "WorkersReady")["message"]
    assert space.status("bad")["phase"] == "Error"
    assert space.count("bad", "head") == 1
    assert operator.log(r"^bad:.*spec\.tolerations")


def test_a_missing_right_is_named_and_waited_for(space: Namespace) -> None:
    space.kubectl("delete", "rolebinding", "ray-operator-rolebinding")
    log = space.folder / "operator.log"
    operator = Operator("operator", space.kubeconfig, log, ())
    try:
        wait_for("the missing right in the log", lambda: bool(operator.log("list.*rayclusters")))
        lines = len(operator.log())
        install = yaml.safe_load_all((REPOSITORY / "deploy" / "operator.yaml").read_text())
        binding = next(document for document in install if document["kind"] == "RoleBinding")
        space.kubectl("apply", "-f", "-", stdin=json.dumps(binding))
        wait_for("leadership once the right is there", operator.leads, timeout=60)
    finally:
        operator.stop()

    assert lines < 40, "a missing right must not flood the log"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_the_other_replica_takes_over_and_makes_nothing_twice(
    space: Namespace, number: signal.Signals
) -> None:
    flags = ("--lease-duration=4", "--renew-deadline=3", "--retry-period=0.5")
    with operators(space.kubeconfig, space.folder, *flags, count=2) as replicas:
        space.apply("one")
        wait_for("three pods", lambda: len(space.pods("one")) == 3)
        before = {pod["metadata"]["uid"] for pod in space.pods("one")}
        leader = next(replica for replica in replicas if replica.leads())
        standby = next(replica for replica in replicas if replica is not leader)
        assert not standby.log("Creating the head")

        leader.send(number)
        wait_for("the other to lead", standby.leads)
        space.apply("two")
        wait_for("the other's pods", lambda: len(space.pods("two")) == 3)

    assert {pod["metadata"]["uid"] for pod in space.pods("one")} == before


def test_a_restarted_operator_changes_nothing(space: Namespace) -> None:
    with operators(space.kubeconfig, space.folder):
        space.apply("one")
        wait_for("three pods", lambda: len(space.pods("one")) == 3)
        # The scheduler's last word, and what the status makes of it: from then on nothing changes by itself.
        wait_for(
            "a settled status",
            lambda: "Unschedulable" in space.condition("one", "HeadReady").get("message", ""),
        )
        wait_for(
            "all of it", lambda: "Unschedulable" in space.condition("one", "WorkersReady").get("message", "")
        )
    before = [(pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]) for pod in space.pods("one")]
    version = space.get("rayclusters.cluster.ray.io", "one")["metadata"]["resourceVersion"]

    with operators(space.kubeconfig, space.folder):
        space.apply("two")
        wait_for("work of the new operator", lambda: len(space.pods("two")) == 3)

    after = [(pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]) for pod in space.pods("one")]
    assert sorted(after) == sorted(before)
    assert space.get("rayclusters.cluster.ray.io", "one")["metadata"]["resourceVersion"] == version


class Collector(ThreadingHTTPServer):
    """Takes what an OTLP exporter sends and keeps the spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.spans: list[Span] = []

    @property
    def endpoint(self) -> str:
        """Its URL, as OTEL_EXPORTER_OTLP_ENDPOINT wants it."""
        return f"http://127.0.0.1:{self.server_port}"

    def names(self) -> set[str]:
        """Names of the spans that came."""
        return {span.name for span in self.spans}


class CollectorHandler(BaseHTTPRequestHandler):
    """One request of an exporter."""

    def do_POST(self) -> None:
        """Keep the spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_a_pass_that_acts_is_a_trace_that_tells_why(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with operators(space.kubeconfig, space.folder):
            space.apply("one")
            wait_for("three pods", lambda: len(space.pods("one")) == 3)
        collector.shutdown()

    assert collector.names() == {"reconcile", "create pod", "apply service"}
    passes = {span.span_id: span for span in collector.spans if span.name == "reconcile"}
    pods = [span for span in collector.spans if span.name == "create pod"]
    assert len(pods) == 3
    assert all(span.parent_span_id in passes for span in pods)
    names = {a.value.string_value for span in pods for a in span.attributes if a.key == "k8s.pod.name"}
    assert names == {pod["metadata"]["name"] for pod in space.pods("one")}


def test_without_a_cluster_to_talk_to_there_is_one_clear_line(tmp_path: Path) -> None:
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-m", "rayctl", "operator"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "kubeconfig" in ended.stderr
