"""The seed's walkthrough, chapter by chapter: what people are told to type and what they see then."""

from __future__ import annotations

import json
from typing import Any

from e2e.terminal import StepError, Terminal

NAMESPACE = "ray"
OPERATOR = "deploy/operator.yaml"
FIRST, SECOND = "deploy/examples/example_cluster.yaml", "deploy/examples/example_cluster2.yaml"
_NEEDED = {"Accepted", "HeadReady", "WorkersReady"}
"""Conditions that are true of a cluster that runs."""
LIMITS = {"cpu": 6.0, "memory": 3.5 * 2**30}
"""What the document says that all its pods need; requests."""


class Walkthrough:
    """Each method is a chapter; they are run in the order in which they stand here."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def install(self, operator: str = OPERATOR, *, restricted: bool = True) -> None:
        """The CRD, a namespace, the operator: two replicas, or the file that is named.

        ``restricted``: the namespace takes no pods but such as Pod Security's strictest standard allows.
        """
        t = self._terminal
        t.heading("The custom resource, a namespace, the operator")
        t.type("kubectl apply -f crd/raycluster.yaml")
        t.type(f"kubectl create namespace {NAMESPACE}")
        if restricted:
            t.type(f"kubectl label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=restricted")
        t.type(f"kubectl -n {NAMESPACE} apply -f {operator}")
        if operator == OPERATOR:
            t.type(f"kubectl -n {NAMESPACE} rollout status deployment/ray-operator --timeout=180s")
        else:
            t.type(f"kubectl -n {NAMESPACE} wait --for=condition=Ready pod/ray-operator-pod --timeout=180s")
        t.type(f"kubectl -n {NAMESPACE} get pods")

    def launch(self) -> None:
        """Two Ray clusters."""
        t = self._terminal
        t.heading("Two Ray clusters")
        t.type(f"kubectl -n {NAMESPACE} apply -f {FIRST}")
        self.wait_running("example-cluster", workers=2)
        t.type(f"kubectl -n {NAMESPACE} get pods")
        t.type(f"kubectl -n {NAMESPACE} apply -f {SECOND}")
        self.wait_running("example-cluster2", workers=1)
        t.type(f"kubectl -n {NAMESPACE} get rayclusters")
        t.type(f"kubectl -n {NAMESPACE} get pods -o wide")
        self._check_requests()

    def run_programs(self) -> None:
        """Real Ray programs: on the head, from another pod, through the dashboard's API."""
        t = self._terminal
        t.heading("Ray programs on them")
        for cluster, nodes in (("example-cluster", 3), ("example-cluster2", 2)):
            head = self.head(cluster)
            program = "e2e/programs/task_on_each_node.py"
            t.type(f"kubectl -n {NAMESPACE} exec -i {head} -- python - {nodes} < {program}")
        t.type(f"kubectl -n {NAMESPACE} apply -f e2e/programs/client-job.yaml")
        t.type(f"kubectl -n {NAMESPACE} wait --for=condition=complete job/ray-client --timeout=180s")
        squares = t.type(f"kubectl -n {NAMESPACE} logs job/ray-client")
        if "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]" not in squares:
            raise StepError(f"Ray Client's program printed {squares!r}")
        t.type(f"kubectl -n {NAMESPACE} delete job ray-client")
        with t.forward(NAMESPACE, "service/example-cluster2-ray-head", 8265) as url:
            entrypoint = "python -c 'import ray; ray.init(); print(ray.cluster_resources())'"
            t.type(f'{_python()} e2e/programs/submit_job.py {url} "{entrypoint}"')

    def read_logs(self) -> None:
        """One cluster's story from the operator, whichever replica leads."""
        t = self._terminal
        t.heading("What the operator says of one cluster")
        logs = f"kubectl -n {NAMESPACE} logs -l component=ray-operator --tail=-1"
        told = t.type(f"{logs} | grep ^example-cluster2: | tail -n 100")
        if "Running" not in told:
            raise StepError("the operator's log does not say that example-cluster2 runs")

    def update(self) -> None:
        """An edit, applied: a pod less, and nothing else restarted."""
        t = self._terminal
        t.heading("An edit: minWorkers 2 → 1, and idle workers go after 12 s instead of 5 min")
        before = self._pods("example-cluster")
        edit = "s/minWorkers: 2/minWorkers: 1/; s/idleTimeoutMinutes: 5/idleTimeoutMinutes: 0.2/"
        t.type(f"sed '{edit}' {FIRST} | kubectl -n {NAMESPACE} apply -f -")
        self._wait_for_pods("the idle worker to be gone", 2)
        self.wait_running("example-cluster", workers=1)
        t.type(f"kubectl -n {NAMESPACE} get pods -l ray-cluster-name=example-cluster")
        self._check_kept(self._pods("example-cluster"), before)

    def scale(self) -> None:
        """Tasks that need one node more than there are: it comes, and goes again."""
        t = self._terminal
        t.heading("Autoscaling: three tasks of one CPU each, where there are two CPUs")
        head = self.head("example-cluster")
        before = {head: self._pods("example-cluster")[head]}
        program = "e2e/programs/busy_tasks.py"
        ran = t.type(f"kubectl -n {NAMESPACE} exec -i {head} -- python - 3 20 < {program}")
        if "3 tasks ran on 3 nodes" not in ran:
            raise StepError("the tasks did not get a node each")
        t.type(f"kubectl -n {NAMESPACE} exec {head} -- ray status")
        self._check_requests()
        self._wait_for_pods("the idle worker to be gone", 2)
        self._check_kept(before, self._pods("example-cluster"))
        logs = f"kubectl -n {NAMESPACE} logs -l component=ray-operator --tail=-1"
        told = t.type(f"{logs} | grep -E '^example-cluster:.*(Adding|Removing|Draining)' | tail -n 4")
        if "Adding 1 node" not in told:
            raise StepError("the operator's log does not say that it added a node")
        t.type(f"kubectl -n {NAMESPACE} apply -f {FIRST}")
        self.wait_running("example-cluster", workers=2)

    def clean_up(self) -> None:
        """One cluster by name, the other by file, then the operator and the CRD."""
        t = self._terminal
        t.heading("Cleaning up")
        before = self._pods("example-cluster")
        t.type(f"kubectl -n {NAMESPACE} delete raycluster example-cluster2")
        self.wait_gone("example-cluster2")
        t.type(f"kubectl -n {NAMESPACE} get pods")
        self._check_kept(before, self._pods("example-cluster"))
        t.type(f"kubectl -n {NAMESPACE} delete -f {FIRST}")
        self.wait_gone("example-cluster")
        t.type(f"kubectl -n {NAMESPACE} delete -f {OPERATOR}")
        t.type("kubectl delete crd rayclusters.cluster.ray.io")
        t.type(f"kubectl delete namespace {NAMESPACE}")

    def wait_running(self, cluster: str, workers: int, timeout: float = 240) -> None:
        """Wait until a cluster runs with that many workers, all ready."""
        self._terminal.wait(cluster, lambda: self._missing(cluster, workers), timeout)

    def _missing(self, cluster: str, workers: int) -> str:
        """Return what a cluster still lacks to run with that many workers, or ''."""
        resource = json.loads(self._terminal.ask(f"kubectl -n {NAMESPACE} get raycluster {cluster} -o json"))
        status = resource.get("status", {})
        seen = status.get("observedGeneration") == resource["metadata"]["generation"]
        if seen and status.get("phase") == "Running" and status.get("readyWorkers") == workers:
            return ""
        reasons = [
            condition.get("message") or condition["reason"]
            for condition in status.get("conditions", ())
            if condition["type"] in _NEEDED and condition["status"] != "True"
        ]
        return f"{status.get('phase', 'no status yet')} ({'; '.join(reasons) or 'not looked at yet'})"

    def wait_gone(self, cluster: str) -> None:
        """Wait until nothing of a cluster is left."""

        def left() -> str:
            names = self._terminal.ask(
                f"kubectl -n {NAMESPACE} get pods,services -l ray-cluster-name={cluster} -o name"
            )
            return ", ".join(names.split())

        self._terminal.wait(f"what belonged to {cluster} to be gone", left, timeout=120)

    def head(self, cluster: str) -> str:
        """Return the name of a cluster's head."""
        return self._terminal.ask(
            f"kubectl -n {NAMESPACE} get pods -l ray-cluster-name={cluster},ray-node-type=head"
            " -o jsonpath='{.items[0].metadata.name}'"
        )

    def _wait_for_pods(self, what: str, wanted: int) -> None:
        """Wait until example-cluster has no more pods than wanted."""

        def too_many() -> str:
            count = len(self._list_pods("-l ray-cluster-name=example-cluster"))
            return f"{count} pods" if count > wanted else ""

        self._terminal.wait(what, too_many, timeout=180)

    def _pods(self, cluster: str) -> dict[str, str]:
        """Return the ID of each pod's container: it is another one as soon as anything restarted."""
        pods = self._list_pods(f"-l ray-cluster-name={cluster}")
        return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["containerID"] for p in pods}

    def _list_pods(self, selector: str) -> list[dict[str, Any]]:
        pods = json.loads(self._terminal.ask(f"kubectl -n {NAMESPACE} get pods {selector} -o json"))["items"]
        return list(pods)

    def _check_kept(self, before: dict[str, str], after: dict[str, str]) -> None:
        changed = [name for name, container in before.items() if after.get(name) != container]
        if changed:
            raise StepError(f"restarted or removed although nothing of theirs changed: {', '.join(changed)}")
        noun = "pod that was" if len(before) == 1 else f"{len(before)} pods that were"
        verb = "runs in the same container" if len(before) == 1 else "run in the same containers"
        print(f"  … the {noun} there before still {verb}", flush=True)

    def _check_requests(self) -> None:
        total = {"cpu": 0.0, "memory": 0.0}
        for pod in self._list_pods(""):
            for container in pod["spec"]["containers"]:
                for name, quantity in container["resources"].get("requests", {}).items():
                    if name in total:
                        total[name] += _amount(quantity)
        print(
            f"  … requests of all pods: {total['cpu']:g} CPU, {total['memory'] / 2**30:.2f} GiB", flush=True
        )
        if any(total[name] > limit for name, limit in LIMITS.items()):
            raise StepError("the pods request more than the 6 CPU and 3.5 GiB that the document names")


def _amount(quantity: str) -> float:
    units = {"m": 1e-3, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
    for unit, factor in units.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity)


def _python() -> str:
    return ".venv/bin/python"
