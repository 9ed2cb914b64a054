"""What a podConfig is refused for, and what it is not: nothing that Kubernetes takes."""

from typing import Any

import pytest

from rayctl.api.document import SpecError
from rayctl.api.pod_rules import MAX_ARGUMENT, MAX_DEPTH
from rayctl.api.raycluster import parse_cluster
from unit.builders import a_cluster_document, a_pod_config

POD = "spec.podTypes[1].podConfig"
CONTAINER = f"{POD}.spec.containers[0]"


def errors_of(pod: dict[str, Any], **fields: Any) -> list[str]:
    document = a_cluster_document()
    document["spec"]["podTypes"][1] |= {"podConfig": pod, **fields}
    try:
        parse_cluster(document)
    except SpecError as error:
        return [str(field) for field in error.fields]
    return []


def sizes(requests: Any = None, limits: Any = None) -> dict[str, Any]:
    return a_pod_config(resources={"requests": requests, "limits": limits})


def containers(*given: Any, **more: Any) -> dict[str, Any]:
    return a_pod_config(spec={"containers": list(given), **more})


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("pod", "error"),
    [
        pytest.param(
            containers({"name": "a", "image": "x"}, {"name": "a", "image": "x"}),
            f"{POD}.spec.containers[1].name: 'a' is there already; give each one a name of its own",
            id="two containers of one name",
        ),
        pytest.param(
            containers({"name": "a", "image": "x"}, initContainers=[{"name": "a", "image": "x"}]),
            f"{POD}.spec.initContainers[0].name: 'a' is there already; give each one a name of its own",
            id="a container and an init container of one name",
        ),
        pytest.param(
            containers({"image": "x"}),
            f"{CONTAINER}.name: there is none; give it a name",
            id="no name",
        ),
        pytest.param(
            containers({"name": "Ray_Node", "image": "x"}),
            f"{CONTAINER}.name: 'Ray_Node' is not what Kubernetes calls a name; "
            "write a-z, 0-9 and '-', the first and last no '-', 63 at most",
            id="a name that is none",
        ),
        pytest.param(
            containers({"name": "a"}),
            f"{CONTAINER}.image: there is none; name the image that the container runs",
            id="no image",
        ),
        pytest.param(
            a_pod_config(image=" x"),
            f"{CONTAINER}.image: ' x' has spaces around it; take them away",
            id="an image with spaces",
        ),
        pytest.param(
            a_pod_config(command="sleep infinity"),
            f"{CONTAINER}.command: a string where a list of strings is needed; begin each entry with '- '",
            id="a command that is no list",
        ),
        pytest.param(
            a_pod_config(args=["sleep", 5]),
            f"{CONTAINER}.args[1]: a number where a string is needed; put it in quotes",
            id="a number among the arguments",
        ),
        pytest.param(
            a_pod_config(env={"A": "x"}),
            f"{CONTAINER}.env: a mapping where a list is needed; begin each entry with '- '",
            id="an environment written as a mapping",
        ),
        pytest.param(
            a_pod_config(env=[{"value": "x"}]),
            f"{CONTAINER}.env[0].name: a variable without a name; give it a name",
            id="a variable without a name",
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A=B"}]),
            f"{CONTAINER}.env[0].name: 'A=B' is no name of a variable; write ASCII letters, digits and '_'",
            id="a variable with an equals sign in its name",
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A", "value": 1}]),
            f"{CONTAINER}.env[0].value: a number where a string is needed; put it in quotes",
            id="a variable that is a number",
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {}}}]),
            f"{CONTAINER}.env[0].valueFrom: a variable has a value, or a place that it is from; "
            "leave one of them out",
            id="a variable that is given twice over",
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A", "value": "x" * MAX_ARGUMENT}]),
            f"{CONTAINER}.env[0].value: more than 131071 bytes, which Linux passes to no program; "
            "mount a file with it",
            id="a variable that is too long for Linux",
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A", "value": "x\0"}]),
            f"{CONTAINER}.env[0].value: there is a NUL character in it; take it away",
            id="a variable with a character that no program gets",
        ),
        pytest.param(
            a_pod_config(args=["x" * (MAX_ARGUMENT + 1)]),
            f"{CONTAINER}.args[0]: more than 131071 bytes, which Linux passes to no program; "
            "put it into a file, of the image or of a ConfigMap, and run that",
            id="an argument that is too long for Linux",
        ),
        pytest.param(
            a_pod_config(ports=[{"containerPort": 0}]),
            f"{CONTAINER}.ports[0].containerPort: 0 is no port; write a number from 1 to 65535",
            id="port 0",
        ),
        pytest.param(
            a_pod_config(ports=[{"name": "x"}]),
            f"{CONTAINER}.ports[0].containerPort: there is none; "
            "write the number that the container listens on",
            id="a port without a number",
        ),
        pytest.param(
            a_pod_config(ports=[{"containerPort": "80"}]),
            f"{CONTAINER}.ports[0].containerPort: a string where a whole number is needed; "
            "write a number such as 2",
            id="a port in quotes",
        ),
        pytest.param(
            sizes(limits={"memory": "512MB"}),
            f"{CONTAINER}.resources.limits.memory: '512MB' is not a quantity such as 500m, 2 or 1.5Gi; "
            "write a number, and a unit such as m, Mi or Gi where it has one",
            id="a unit that there is not",
        ),
        pytest.param(
            sizes(requests={"cpu": -1}),
            f"{CONTAINER}.resources.requests.cpu: -1 is negative; write 0 or more",
            id="a negative amount",
        ),
        pytest.param(
            sizes(requests={"cpu": "2"}, limits={"cpu": "1500m"}),
            f"{CONTAINER}.resources.requests.cpu: '2' is more than the limit, '1500m'; "
            "lower it, or raise the limit",
            id="a request above its limit",
        ),
        pytest.param(
            sizes(requests={"nvidia.com/gpu": 1}, limits={"nvidia.com/gpu": 2}),
            f"{CONTAINER}.resources.requests.nvidia.com/gpu: not the same as the limit, 2; "
            "write the limit alone",
            id="a device of which less is requested than there may be",
        ),
        pytest.param(
            sizes(limits={"nvidia.com/gpu": "500m"}),
            f"{CONTAINER}.resources.limits.nvidia.com/gpu: '500m' is not a whole number; "
            "Kubernetes does not share devices",
            id="half a device",
        ),
        pytest.param(
            sizes(limits={"gpu": 1}),
            f"{CONTAINER}.resources.limits.gpu: Kubernetes has no such resource; "
            "it has cpu, memory and ephemeral-storage; put the domain before it: nvidia.com/gpu",
            id="a device without its domain",
        ),
        pytest.param(
            a_pod_config(spec={"restartPolicy": "Sometimes"}),
            f"{POD}.spec.restartPolicy: 'Sometimes' is no restart policy; "
            "write one of Always, OnFailure, Never",
            id="a restart policy that there is not",
        ),
        pytest.param(
            a_pod_config(spec={"terminationGracePeriodSeconds": "30s"}),
            f"{POD}.spec.terminationGracePeriodSeconds: '30s' is no number of seconds; write such as 30",
            id="a time with a unit",
        ),
        pytest.param(
            a_pod_config(spec={"nodeSelector": {"gpu": True}}),
            f"{POD}.spec.nodeSelector.gpu: true or false where a string is needed; put it in quotes",
            id="a node selector that YAML took for a boolean",
        ),
        pytest.param(
            a_pod_config(spec={"volumes": [{"name": "a"}, {"name": "a"}]}),
            f"{POD}.spec.volumes[1].name: 'a' is there already; give each one a name of its own",
            id="two volumes of one name",
        ),
        pytest.param(
            a_pod_config(metadata={"labels": {"a": 1}}),
            f"{POD}.metadata.labels.a: a number where a string is needed; put it in quotes",
            id="a label that is a number",
        ),
        pytest.param(
            a_pod_config(metadata={"annotations": ["a"]}),
            f"{POD}.metadata.annotations: a list where a mapping is needed; indent its fields below it",
            id="annotations written as a list",
        ),
        pytest.param(
            a_pod_config(metadata={"generateName": "Ray_"}),
            f"{POD}.metadata.generateName: the pods' names begin with it, and 'Ray_' is no beginning of one; "
            "write such as ray-worker-: a-z, 0-9, '-', and '.' between two of the others",
            id="a prefix that no name may have",
        ),
        pytest.param(
            a_pod_config(metadata={"generateName": "."}),
            f"{POD}.metadata.generateName: the pods' names begin with it, and '.' is no beginning of one; "
            "write such as ray-worker-: a-z, 0-9, '-', and '.' between two of the others",
            id="a prefix that would be fine but for the dash before it",
        ),
        pytest.param(
            a_pod_config(metadata={"ownerReferences": [{"controller": True}]}),
            f"{POD}.metadata.ownerReferences[0].controller: "
            "a pod has one controller, and that is its RayCluster; write false, or leave it out",
            id="another controller",
        ),
        pytest.param(
            a_pod_config() | {"kind": "Job"},
            f"{POD}.kind: 'Job' where a Pod is needed; write kind: Pod",
            id="something else than a Pod",
        ),
        pytest.param(
            a_pod_config(spec={"x": nested(MAX_DEPTH)}),
            f"{POD}.spec.x.a.a.a.a.a.a: mappings and lists stand more than 50 deep in each other; "
            "no Pod is like that; look for a bracket or an indent too many",
            id="a pod without a bottom",
        ),
    ],
)
def test_a_pod_that_kubernetes_would_not_take_is_refused_in_words(pod: dict[str, Any], error: str) -> None:
    assert errors_of(pod) == [error]


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod_config(command=None, args=None, env=None, ports=None, resources=None), id="nulls"),
        pytest.param(sizes(requests={"cpu": None}), id="a request left empty"),
        pytest.param(
            sizes(requests={"cpu": "1e3"}, limits={"cpu": 1e3}), id="equal amounts, written otherwise"
        ),
        pytest.param(sizes(requests={"hugepages-2Mi": "4Mi"}), id="huge pages"),
        pytest.param(
            sizes(requests={"nvidia.com/gpu": 1}), id="a device without a limit: a plugin may set it"
        ),
        pytest.param(a_pod_config(spec={"restartPolicy": ""}), id="an empty restart policy"),
        pytest.param(
            a_pod_config(spec={"terminationGracePeriodSeconds": -1}), id="a negative time, which is 1"
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A"}, {"name": "A"}]), id="a variable twice: the later counts"
        ),
        pytest.param(
            a_pod_config(env=[{"name": "A", "value": "", "valueFrom": {"fieldRef": {}}}]),
            id="an empty value beside a place that it is from",
        ),
        pytest.param(a_pod_config(metadata={"labels": {"a": None}}), id="a label without a value"),
        pytest.param(a_pod_config(metadata={"generateName": "-x.y--"}), id="a prefix that is odd and legal"),
        pytest.param(a_pod_config(metadata={"ownerReferences": [{"uid": "x"}]}), id="an owner beside us"),
        pytest.param(a_pod_config(spec={"x": nested(MAX_DEPTH - 2)}), id="as deep as may be"),
        pytest.param(
            a_pod_config(spec={"schedulerName": 7}), id="fields that the API server is left to judge"
        ),
    ],
)
def test_what_kubernetes_takes_is_not_refused(pod: dict[str, Any]) -> None:
    assert errors_of(pod) == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        pytest.param(
            "x" * (MAX_ARGUMENT + 1), "more than 131071 bytes, which Linux", id="too long for Linux"
        ),
        pytest.param(
            "\u00e9" * (MAX_ARGUMENT // 2 + 1), "more than 131071 bytes", id="in bytes, not characters"
        ),
        pytest.param("echo \0", "there is a NUL character in it", id="a character that no program gets"),
    ],
)
def test_a_command_that_linux_would_not_run_is_refused(command: str, problem: str) -> None:
    (error,) = errors_of(a_pod_config(), setupCommands=["true", command])

    assert error.startswith(f"spec.podTypes[1].setupCommands[1]: {problem}")


def test_the_longest_command_is_taken() -> None:
    assert errors_of(a_pod_config(), setupCommands=["x" * MAX_ARGUMENT]) == []


def test_all_that_is_wrong_with_a_pod_is_told_at_once() -> None:
    pod = containers({"name": "a", "env": [{"value": 1}]}, restartPolicy="no", nodeSelector={"a": 1})

    assert [error.split(":")[0] for error in errors_of(pod)] == [
        f"{CONTAINER}.image",
        f"{CONTAINER}.env[0].value",
        f"{CONTAINER}.env[0].name",
        f"{POD}.spec.restartPolicy",
        f"{POD}.spec.nodeSelector.a",
    ]
