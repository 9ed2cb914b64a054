"""Replicas of the operator as processes, each with a pod of its own that nothing runs, and what they say.

The pod stands for the one that a Deployment would make: the election reads its status, and the leader's label is
on it. What a kubelet would write there, a test writes.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from e2e.namespace import Namespace
from e2e.operator_process import Operator, free_port, wait_for
from rayctl.api.document import Document

CONTAINER = "ray-operator"


class Replica:
    """One replica: a process, and its pod."""

    def __init__(self, space: Namespace, name: str, *flags: str) -> None:
        self.name = name
        self._space = space
        self._port = free_port()
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"component": "ray-operator"}},
            "spec": {"containers": [{"name": CONTAINER, "image": "none"}], "schedulerName": "nobody"},
        }
        space.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        uid = space.get("pod", name)["metadata"]["uid"]
        log = Path(space.folder) / f"{name}.log"
        with mock.patch.dict(os.environ, POD_UID=uid):
            self.process = Operator(name, space.kubeconfig, log, (*flags, f"--health-port={self._port}"))

    @property
    def identity(self) -> str:
        """Its name in the election, as it says when it starts."""
        (line,) = self.process.log(r"watching .* as ")[-1:]
        return line.rpartition(" as ")[2]

    def leads(self) -> bool:
        """Whether its last word on leadership is that it leads."""
        return self.process.leads()

    def page(self, name: str) -> tuple[int, str]:
        """Return code and text of one of its pages; code 0 where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{name}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        """Whether a kubelet would find it ready."""
        return self.page("readyz")[0] == 200

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples, whatever their labels."""
        lines = self.page("metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def ended(self) -> Document:
        """Return what a kubelet merges into the pod when the container has ended."""
        terminated: Document = {"exitCode": 137, "reason": "Error", "message": self.identity}
        container: Document = {
            "name": CONTAINER,
            "image": "none",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": terminated},
        }
        return {"status": {"containerStatuses": [container]}}

    def report_end(self) -> None:
        """Write into the pod's status that the container has ended."""
        patch = json.dumps(self.ended())
        self._space.kubectl("patch", "pod", self.name, "--subresource=status", "--type=merge", "-p", patch)


@contextmanager
def replicas(space: Namespace, count: int, *flags: str) -> Iterator[list[Replica]]:
    """Run replicas that are all ready, the first of which leads."""
    running: list[Replica] = []
    try:
        for number in range(count):
            running.append(Replica(space, f"replica-{number}", *flags))
            if number == 0:
                wait_for("the first to lead", running[0].leads)
        wait_for("all to be ready", lambda: all(replica.ready() for replica in running))
        yield running
    finally:
        for replica in running:
            replica.process.stop()
