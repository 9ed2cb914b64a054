"""Bad specs that people write, each with how it must end and what must be said."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from e2e.badspecs.mutation import BadSpec
from e2e.crd.documents import GONE, a_cluster, changed


class End(StrEnum):
    """How it goes on after somebody has applied a RayCluster."""

    REFUSED = "refused by the API server"
    NOT_ACCEPTED = "kept, and told to be wrong by the condition Accepted"
    NO_PODS = "kept, and a pod or the Service is refused in the API server's words"
    RUNS = "pods are made"


class ByHand(NamedTuple):
    """A bad spec, its end, and a word of what is said of it ('' where it runs)."""

    spec: BadSpec
    end: End
    word: str


_TYPE = "spec.podTypes.1"
_POD = f"{_TYPE}.podConfig"
_SPEC = f"{_POD}.spec"
_RAY = f"{_SPEC}.containers.0"
_HEAD = "spec.podTypes.0.podConfig.spec"
_REFUSED, _NOT_ACCEPTED, _NO_PODS, _RUNS = End


def _port(name: str, number: object, target: object = 80) -> list[Any]:
    return [{"name": name, "port": number, "targetPort": target}]


def _sizes(requests: Any, limits: Any) -> dict[str, Any]:
    return {"requests": requests, "limits": limits}


_CASES: tuple[tuple[str, str, Any, End, str], ...] = (
    # ---- the cluster's own fields
    ("no spec at all", "spec", GONE, _REFUSED, "spec"),
    ("a spec that is a list", "spec", [], _REFUSED, "spec"),
    ("no head type", "spec.headPodType", GONE, _REFUSED, "headPodType"),
    ("a head type in other letters", "spec.headPodType", "Head", _REFUSED, "no pod type is called 'Head'"),
    ("no pod types", "spec.podTypes", [], _REFUSED, "podTypes"),
    ("pod types as a mapping, as in Helm", "spec.podTypes", {"head": {}}, _REFUSED, "podTypes"),
    ("the same type twice", f"{_TYPE}.name", "head", _REFUSED, "Duplicate"),
    ("a type with a blank in its name", f"{_TYPE}.name", "cpu small", _REFUSED, "becomes a pod label"),
    ("a type of 64 characters", f"{_TYPE}.name", "n" * 64, _REFUSED, "name"),
    ("a negative minimum", f"{_TYPE}.minWorkers", -1, _REFUSED, "minWorkers"),
    ("a minimum in quotes", f"{_TYPE}.minWorkers", "1", _REFUSED, "minWorkers"),
    ("half a worker", f"{_TYPE}.minWorkers", 0.5, _REFUSED, "minWorkers"),
    ("a billion workers", "spec.maxWorkers", 10**9, _REFUSED, "maxWorkers"),
    ("a minimum above the maximum", f"{_TYPE}.maxWorkers", 0, _RUNS, ""),
    ("a speed of zero", "spec.upscalingSpeed", 0, _RUNS, ""),
    ("a speed beyond all measure", "spec.upscalingSpeed", 1e308, _RUNS, ""),
    ("an idle time for ever", "spec.idleTimeoutMinutes", 1e300, _RUNS, ""),
    ("a negative idle time", "spec.idleTimeoutMinutes", -5, _REFUSED, "idleTimeoutMinutes"),
    ("an idle time with a unit", "spec.idleTimeoutMinutes", "5m", _REFUSED, "idleTimeoutMinutes"),
    ("yes for true", "spec.suspend", "yes", _REFUSED, "suspend"),
    ("a strategy of Deployments", "spec.upgradeStrategy", {"rollingUpdate": {}}, _REFUSED, "rollingUpdate"),
    ("a strategy that is a word", "spec.upgradeStrategy", "Recreate", _REFUSED, "upgradeStrategy"),
    ("150 % surge", "spec.upgradeStrategy", {"maxSurge": "150%"}, _REFUSED, "maxSurge"),
    ("a command that is no list", "spec.headStartRayCommands", "ray start", _REFUSED, "headStartRayCommands"),
    ("a number among commands", "spec.workerSetupCommands", [1], _REFUSED, "workerSetupCommands"),
    (
        "a command of 200 kB",
        "spec.workerSetupCommands",
        ["x" * 200_000],
        _NOT_ACCEPTED,
        "workerSetupCommands[0]",
    ),
    ("a command with a NUL", "spec.headSetupCommands", ["echo \0"], _NOT_ACCEPTED, "headSetupCommands[0]"),
    ("a misspelt field", "spec.maxworkers", 3, _REFUSED, "maxworkers"),
    ("a field of KubeRay's", "spec.headGroupSpec", {}, _REFUSED, "headGroupSpec"),
    ("resources in quotes", f"{_TYPE}.rayResources", {"CPU": "2"}, _REFUSED, "rayResources.CPU"),
    ("half a custom resource", f"{_TYPE}.rayResources", {"spot": 0.5}, _REFUSED, "rayResources.spot"),
    ("a resource without a name", f"{_TYPE}.rayResources", {"": 1}, _NOT_ACCEPTED, "rayResources"),
    ("300 resources", f"{_TYPE}.rayResources", {f"r{n}": 1 for n in range(300)}, _REFUSED, "rayResources"),
    ("cpu for CPU", f"{_TYPE}.rayResources", {"cpu": 1}, _RUNS, ""),
    # ---- the Service
    ("a port's name twice", "spec.headServicePorts", _port("a", 1) * 2, _REFUSED, "Duplicate"),
    ("a number twice", "spec.headServicePorts", _port("a", 1) + _port("b", 1), _REFUSED, "same port number"),
    ("port 0", "spec.headServicePorts", _port("a", 0), _REFUSED, "port"),
    ("a target in quotes", "spec.headServicePorts", _port("a", 1, "80"), _REFUSED, "targetPort"),
    ("a port called gcs", "spec.headServicePorts", _port("gcs", 1), _RUNS, ""),
    ("a port in place of the GCS's", "spec.headServicePorts", _port("redis", 6379, 1), _RUNS, ""),
    ("a Service elsewhere", "spec.headService", {"type": "ExternalName"}, _REFUSED, "headService.type"),
    (
        "an odd annotation",
        "spec.headService",
        {"annotations": {"a b": "c"}},
        _NOT_ACCEPTED,
        "annotations.a b",
    ),
    (
        "annotations of 300 kB",
        "spec.headService",
        {"annotations": {"a": "x" * 300_000}},
        _NOT_ACCEPTED,
        "262144",
    ),
    # ---- the pod
    ("no pod", _POD, GONE, _REFUSED, "podConfig"),
    ("a Deployment for a pod", f"{_POD}.kind", "Deployment", _REFUSED, "kind"),
    ("a pod without a spec", _SPEC, GONE, _REFUSED, "podConfig.spec"),
    ("a pod with a name", f"{_POD}.metadata.name", "mine", _RUNS, ""),
    ("a pod of another namespace", f"{_POD}.metadata.namespace", "kube-system", _RUNS, ""),
    ("a status in the pod", f"{_POD}.status", {"phase": "Running"}, _RUNS, ""),
    ("a label of ours", f"{_POD}.metadata.labels", {"ray-cluster-name": "other"}, _RUNS, ""),
    ("a label that is a number", f"{_POD}.metadata.labels", {"a": 1}, _REFUSED, "labels"),
    ("a label with blanks", f"{_POD}.metadata.labels", {"a": "b c"}, _REFUSED, "labels"),
    ("a prefix in capitals", f"{_POD}.metadata.generateName", "Ray-", _REFUSED, "generateName"),
    ("a dot for a prefix", f"{_POD}.metadata.generateName", ".", _REFUSED, "generateName"),
    ("a prefix of 250 characters", f"{_POD}.metadata.generateName", "n" * 250, _RUNS, ""),
    ("a finalizer without a domain", f"{_POD}.metadata.finalizers", ["mine"], _NO_PODS, "finalizers"),
    (
        "another controller",
        f"{_POD}.metadata.ownerReferences",
        [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y", "controller": True}],
        _NOT_ACCEPTED,
        "ownerReferences[0].controller",
    ),
    ("no containers", f"{_SPEC}.containers", [], _REFUSED, "there is no container"),
    ("a container without an image", f"{_RAY}.image", GONE, _REFUSED, "image"),
    ("an empty image", f"{_RAY}.image", "", _NOT_ACCEPTED, "image: there is none"),
    ("an image with a blank", f"{_RAY}.image", " ray", _NOT_ACCEPTED, "spaces around it"),
    ("an underscore in a name", f"{_RAY}.name", "ray_node", _NOT_ACCEPTED, "containers[0].name"),
    (
        "two containers of one name",
        f"{_SPEC}.containers",
        [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}],
        _REFUSED,
        "the same name",
    ),
    (
        "an init container of the same name",
        f"{_SPEC}.initContainers",
        [{"name": "ray", "image": "x"}],
        _NOT_ACCEPTED,
        "initContainers[0].name",
    ),
    ("a command as a text", f"{_RAY}.command", "sleep 1", _REFUSED, "command"),
    ("an environment as a mapping", f"{_RAY}.env", {"A": "x"}, _REFUSED, "env"),
    ("a variable without a name", f"{_RAY}.env", [{"value": "x"}], _REFUSED, "env[0].name"),
    ("a variable that is true", f"{_RAY}.env", [{"name": "A", "value": True}], _REFUSED, "env[0].value"),
    ("a variable called A=B", f"{_RAY}.env", [{"name": "A=B"}], _NOT_ACCEPTED, "env[0].name"),
    ("a variable twice", f"{_RAY}.env", [{"name": "A"}, {"name": "A"}], _RUNS, ""),
    ("512MB", f"{_RAY}.resources", _sizes({}, {"memory": "512MB"}), _REFUSED, "limits.memory"),
    ("a negative cpu", f"{_RAY}.resources", _sizes({"cpu": -1}, {}), _NOT_ACCEPTED, "requests.cpu"),
    ("true for a cpu", f"{_RAY}.resources", _sizes({"cpu": True}, {}), _NOT_ACCEPTED, "requests.cpu"),
    (
        "more than its limit",
        f"{_RAY}.resources",
        _sizes({"cpu": 2}, {"cpu": 1}),
        _NOT_ACCEPTED,
        "more than the limit",
    ),
    (
        "half a GPU",
        f"{_RAY}.resources",
        _sizes({}, {"nvidia.com/gpu": "0.5"}),
        _NOT_ACCEPTED,
        "nvidia.com/gpu",
    ),
    ("a GPU without its domain", f"{_RAY}.resources", _sizes({}, {"gpu": 1}), _NOT_ACCEPTED, "limits.gpu"),
    ("a GPU without a limit", f"{_RAY}.resources", _sizes({"nvidia.com/gpu": 1}, {}), _NO_PODS, "limits"),
    ("a port in quotes", f"{_RAY}.ports", [{"containerPort": "80"}], _NOT_ACCEPTED, "containerPort"),
    ("port 70000", f"{_RAY}.ports", [{"containerPort": 70000}], _NOT_ACCEPTED, "containerPort"),
    (
        "a port's name twice in a pod",
        f"{_RAY}.ports",
        [{"name": "a", "containerPort": n} for n in (1, 2)],
        _NO_PODS,
        "ports",
    ),
    (
        "a volume that is not there",
        f"{_RAY}.volumeMounts",
        [{"name": "a", "mountPath": "/a"}],
        _NO_PODS,
        "volumeMounts",
    ),
    (
        "two volumes of one name",
        f"{_SPEC}.volumes",
        [{"name": "a"}, {"name": "a"}],
        _NOT_ACCEPTED,
        "volumes[1].name",
    ),
    ("a restart policy in small letters", f"{_SPEC}.restartPolicy", "never", _REFUSED, "restartPolicy"),
    ("30s", f"{_SPEC}.terminationGracePeriodSeconds", "30s", _REFUSED, "terminationGracePeriodSeconds"),
    ("a negative time to end", f"{_SPEC}.terminationGracePeriodSeconds", -1, _RUNS, ""),
    ("a node selector that is true", f"{_SPEC}.nodeSelector", {"gpu": True}, _REFUSED, "nodeSelector.gpu"),
    ("an operator that there is not", f"{_SPEC}.tolerations", [{"operator": "Is"}], _NO_PODS, "tolerations"),
    ("true in quotes", f"{_SPEC}.hostNetwork", "true", _NO_PODS, "hostNetwork"),
    ("a DNS policy that there is not", f"{_SPEC}.dnsPolicy", "Sometimes", _NO_PODS, "dnsPolicy"),
    ("a service account that is not there", f"{_SPEC}.serviceAccountName", "nobody", _NO_PODS, "nobody"),
    ("a priority class that is not there", f"{_SPEC}.priorityClassName", "none", _NO_PODS, "none"),
    ("a scheduler that is not there", f"{_SPEC}.schedulerName", "nobody", _RUNS, ""),
    ("a head of another restart policy", f"{_HEAD}.dnsPolicy", "Sometimes", _NO_PODS, "dnsPolicy"),
    ("a pod 60 levels deep", f"{_SPEC}.x", "@nested 60@", _NOT_ACCEPTED, "podConfig"),
    ("a pod 1,000 levels deep", f"{_SPEC}.x", "@nested 1000@", _NOT_ACCEPTED, "podConfig"),
    ("a pod 9,900 levels deep", f"{_SPEC}.x", "@nested 9900@", _NOT_ACCEPTED, "podConfig"),
    ("a field of the future", f"{_SPEC}.fieldOfTomorrow", {"a": 1}, _RUNS, ""),
    ("1 MB that nobody reads", f"{_SPEC}.comment", "x" * 1_000_000, _RUNS, ""),
    ("a key that breaks the line", f"{_SPEC}.nodeSelector", {"a\nERROR b": "c"}, _NO_PODS, "nodeSelector"),
    # ---- several at once
    ("a name too long for the Service", "metadata.name", "n" * 55, _REFUSED, "metadata.name"),
    ("a name that begins with a digit", "metadata.name", "2nd", _REFUSED, "metadata.name"),
)


def by_hand() -> tuple[ByHand, ...]:
    """Return them, each under a name of its own."""
    return tuple(
        ByHand(BadSpec(says, changed(a_cluster(), path, value), tuple(path.split("."))), end, word)
        for says, path, value, end, word in _CASES
    )
