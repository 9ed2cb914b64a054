"""What is wrong is refused when it is applied, and the message names the field and the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.crd.conftest import Space
from e2e.crd.documents import GONE, a_cluster, changed

pytestmark = pytest.mark.apiserver

TYPE = "spec.podTypes.1"
POD = f"{TYPE}.podConfig"
CONTAINER = f"{POD}.spec.containers.0"


def port(name: str, number: object, target: object = 80) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": target}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param("spec", GONE, ["spec: Required value"], id="no spec"),
        pytest.param("spec.headPodType", GONE, ["spec.headPodType: Required value"], id="no head type"),
        pytest.param(
            "spec.headPodType",
            "haed",
            ["spec.headPodType", "no pod type is called 'haed'; name one of podTypes"],
            id="a head type that isn't there",
        ),
        pytest.param("spec.podTypes", [], ["spec.podTypes", "at least 1 items"], id="no pod types"),
        pytest.param(
            f"{TYPE}.name",
            "head",
            ["spec.podTypes[1]", 'Duplicate value: {"name":"head"}'],
            id="a name twice",
        ),
        pytest.param(
            f"{TYPE}.name", "c p", ["podTypes[1].name", "becomes a pod label"], id="a name that is no label"
        ),
        pytest.param(
            f"{TYPE}.name", "c" * 64, ["podTypes[1].name: Too long"], id="a name too long for a label"
        ),
        pytest.param("spec.maxWorkers", -1, ["spec.maxWorkers", "greater than or equal to 0"], id="max < 0"),
        pytest.param(
            "spec.maxWorkers", "3", ["spec.maxWorkers", "must be of type integer"], id="max as text"
        ),
        pytest.param(f"{TYPE}.minWorkers", -1, ["podTypes[1].minWorkers", "equal to 0"], id="min < 0"),
        pytest.param(f"{TYPE}.minWorkers", 1.5, ["podTypes[1].minWorkers", "integer"], id="half a worker"),
        pytest.param(f"{TYPE}.maxWorkers", -2, ["podTypes[1].maxWorkers", "equal to 0"], id="type's max < 0"),
        pytest.param("spec.upscalingSpeed", -0.5, ["spec.upscalingSpeed", "equal to 0"], id="speed < 0"),
        pytest.param("spec.idleTimeoutMinutes", -1, ["spec.idleTimeoutMinutes", "equal to 0"], id="idle < 0"),
        pytest.param(
            f"{TYPE}.rayResources",
            {"Custom1": "1"},
            ["podTypes[1].rayResources.Custom1", "must be of type integer"],
            id="a resource as text",
        ),
        pytest.param(
            f"{TYPE}.rayResources", {"a": 0.5}, ["rayResources.a", "of type integer"], id="half a resource"
        ),
        pytest.param(
            f"{TYPE}.rayResources", {"CPU": -1}, ["rayResources.CPU", "equal to 0"], id="a resource < 0"
        ),
        pytest.param(
            f"{TYPE}.numOfHosts", 0, ["podTypes[1].numOfHosts", "equal to 1"], id="slices of nothing"
        ),
        pytest.param(
            "spec.auth",
            {"mode": "token"},
            ["spec.auth.secretName", "needs the name"],
            id="a token from nowhere",
        ),
        pytest.param(f"{TYPE}.podConfig", GONE, ["podTypes[1].podConfig: Required value"], id="no pod"),
        pytest.param(f"{POD}.spec", GONE, ["podConfig.spec: Required value"], id="a pod without a spec"),
        pytest.param(f"{POD}.kind", "Job", ['podConfig.kind: Unsupported value: "Job"'], id="not a pod"),
        pytest.param(
            f"{POD}.spec.containers", GONE, ["podConfig.spec.containers: Required value"], id="no containers"
        ),
        pytest.param(
            f"{POD}.spec.containers",
            [],
            ["podTypes[1].podConfig.spec.containers", "there is no container; add one that has Ray"],
            id="an empty list of containers",
        ),
        pytest.param(f"{CONTAINER}.image", GONE, ["containers[0].image: Required value"], id="no image"),
        pytest.param(
            f"{CONTAINER}.name", GONE, ["containers[0].name: Required value"], id="no container name"
        ),
        pytest.param(
            f"{CONTAINER}.resources",
            {"limits": {"memory": "512MB"}},
            ["containers[0].resources.limits.memory", '"512MB"', "should match"],
            id="a quantity that is none",
        ),
        pytest.param(
            f"{POD}.spec.containers",
            [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}],
            ["podConfig.spec.containers", "two containers have the same name"],
            id="two containers of one name",
        ),
        pytest.param(
            f"{POD}.spec.initContainers",
            [{"name": "a"}],
            ["initContainers[0].image: Required value"],
            id="an init container without an image",
        ),
        pytest.param(
            f"{CONTAINER}.command",
            "sleep infinity",
            ["containers[0].command", "must be of type array"],
            id="a command that is no list",
        ),
        pytest.param(
            f"{CONTAINER}.env",
            [{"value": "x"}],
            ["containers[0].env[0].name: Required value"],
            id="a variable without a name",
        ),
        pytest.param(
            f"{CONTAINER}.env",
            [{"name": "A", "value": 1}],
            ["containers[0].env[0].value", "must be of type string"],
            id="a variable that is a number",
        ),
        pytest.param(
            f"{POD}.spec.restartPolicy",
            "Sometimes",
            ["podConfig.spec.restartPolicy", '"Sometimes"', '"Always", "OnFailure", "Never"'],
            id="a restart policy that there is not",
        ),
        pytest.param(
            f"{POD}.spec.terminationGracePeriodSeconds",
            "30s",
            ["podConfig.spec.terminationGracePeriodSeconds", "must be of type integer"],
            id="a time with a unit",
        ),
        pytest.param(
            f"{POD}.spec.nodeSelector",
            {"gpu": True},
            ["podConfig.spec.nodeSelector.gpu", "must be of type string"],
            id="a node selector that YAML took for a boolean",
        ),
        pytest.param(
            f"{POD}.metadata.generateName",
            ".",
            ["podConfig.metadata.generateName", "the pods' names begin with it"],
            id="a prefix that would be fine but for the dash before it",
        ),
        pytest.param(
            f"{TYPE}.rayResources",
            {f"r{number}": 1 for number in range(257)},
            ["podTypes[1].rayResources", "at most 256"],
            id="more resources than Ray can be told of",
        ),
        pytest.param(
            f"{POD}.metadata.generateName",
            "Ray_Worker-",
            ["podConfig.metadata.generateName", "the pods' names begin with it"],
            id="a prefix that no pod may have",
        ),
        pytest.param(
            f"{POD}.metadata.labels", {"a b": "c"}, ["podConfig.metadata.labels", '"a b"'], id="a bad label"
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("client", 1), port("client", 2)],
            ["spec.headServicePorts[1]", 'Duplicate value: {"name":"client"}'],
            id="a port's name twice",
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("a", 80), port("b", 80)],
            ["spec.headServicePorts", "two entries have the same port number"],
            id="a port's number twice",
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("a", 70000)],
            ["headServicePorts[0].port", "less than or equal to 65535"],
            id="a port that is none",
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("a", 80, 70000)],
            ["headServicePorts[0].targetPort", "less than or equal to 65535"],
            id="a target port that is none",
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("a", 80, "8000")],
            ["headServicePorts[0].targetPort", "a number has no quotes"],
            id="a target port in quotes",
        ),
        pytest.param(
            "spec.headServicePorts",
            [port("Ray_Serve", 80)],
            ["headServicePorts[0].name", "a Service port's name has only a-z"],
            id="a port's name that is none",
        ),
        pytest.param(
            "spec.headStartRayCommands", "ray start", ["headStartRayCommands", "type array"], id="no list"
        ),
        pytest.param("spec.suspend", "true", ["spec.suspend", "must be of type boolean"], id="true as text"),
        pytest.param(
            "spec.upgradeStrategy.type",
            "Rolling",
            ["spec.upgradeStrategy.type", '"Rolling"', '"RollingUpdate", "Recreate", "OnDelete"'],
            id="a strategy that there is not",
        ),
        pytest.param(
            f"{TYPE}.upgradeStrategy.maxSurge",
            "101%",
            ["podTypes[1].upgradeStrategy.maxSurge", '"101%"', "should match"],
            id="more than all",
        ),
        pytest.param(
            "spec.upgradeStrategy.maxUnavailable",
            -1,
            ["spec.upgradeStrategy.maxUnavailable", "equal to 0"],
            id="a negative number",
        ),
        pytest.param(
            "spec.upgradeStrategy.maxUnavailable",
            0.5,
            ["spec.upgradeStrategy.maxUnavailable", "integer,string"],
            id="a share as a fraction",
        ),
        pytest.param(
            "spec.headService.type",
            "ExternalName",
            ["spec.headService.type", '"ClusterIP", "NodePort", "LoadBalancer"'],
            id="a Service that leads elsewhere",
        ),
        pytest.param(
            "spec.headService.annotations",
            {"example.com/internal": True},
            ["headService.annotations.example.com/internal", "must be of type string"],
            id="an annotation that is no text",
        ),
        *(
            pytest.param(f"spec.{field}", -1, [f"spec.{field}", "equal to 0"], id=f"{field} < 0")
            for field in ("drainTimeoutSeconds", "joinTimeoutSeconds", "ttlSecondsAfterIdle")
        ),
        pytest.param("spec.maxWorker", 3, ['unknown field "spec.maxWorker"'], id="a misspelt field"),
        pytest.param(
            f"{TYPE}.minWorker", 3, ['unknown field "spec.podTypes[1].minWorker"'], id="likewise below"
        ),
        pytest.param(
            "metadata.name", "n" * 55, ["metadata.name", "at most 54 characters"], id="a name too long"
        ),
        pytest.param("metadata.name", "2nd", ["metadata.name", "begin with a letter"], id="2nd as a name"),
        pytest.param("metadata.name", "a.b", ["metadata.name", "have no '.'"], id="a name with a dot"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_field_and_the_reason(
    space: Space, path: str, value: object, said: list[str]
) -> None:
    document = changed(a_cluster(), path, value)

    code, words = space.try_kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(document))

    assert code == 1
    missing = [text for text in said if text not in words]
    assert not missing, f"not said in: {words}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.upscalingSpeed", 0, id="speed 0, which means the default"),
        pytest.param("spec.idleTimeoutMinutes", 0.5, id="half a minute"),
        pytest.param(f"{TYPE}.maxWorkers", 0, id="a type's maximum below its minimum"),
        pytest.param("spec.maxWorkers", 0, id="a cluster's maximum below the sum of minimums"),
        pytest.param("metadata.name", "n" * 54, id="the longest name"),
        pytest.param(f"{POD}.metadata", GONE, id="a pod without metadata"),
        pytest.param(
            f"{POD}.metadata.generateName", "-x.y--", id="a prefix that is right after the cluster's"
        ),
        pytest.param(f"{POD}.spec.fieldOfTomorrow", {"a": [1]}, id="a pod's field that nobody knows"),
        pytest.param(f"{CONTAINER}.command", None, id="a command left empty"),
        pytest.param(f"{CONTAINER}.env", [{"name": "A", "value": None}], id="a variable left empty"),
        pytest.param(f"{CONTAINER}.resources", {"limits": None, "requests": {"cpu": None}}, id="no sizes"),
        pytest.param(f"{CONTAINER}.resources", None, id="resources left empty"),
        pytest.param(f"{POD}.spec.initContainers", None, id="no init containers"),
        pytest.param(f"{POD}.spec.nodeSelector", None, id="no node selector"),
        pytest.param(f"{POD}.spec.restartPolicy", None, id="a restart policy left empty"),
        pytest.param(f"{POD}.spec.restartPolicy", "", id="an empty restart policy"),
        pytest.param(f"{POD}.spec.terminationGracePeriodSeconds", -1, id="a negative time, which is 1"),
        pytest.param("spec.headServicePorts", [port("a", 80, "8080-tcp")], id="a target port's odd name"),
        pytest.param("spec.headServicePorts", [port("a", 80, "")], id="no name, which is the port's number"),
        pytest.param(f"{CONTAINER}.resources", {"limits": {"cpu": 0.5}}, id="a quantity without quotes"),
        pytest.param(f"{TYPE}.rayResources", {"a/b": 7, "GPU": 0, "memory": 10**12}, id="zero of a resource"),
        pytest.param("spec.headServicePorts", [port("a", 80, "http")], id="a target port by name"),
        pytest.param("spec.suspend", True, id="a cluster that sleeps"),
        pytest.param("spec.upgradeStrategy", {}, id="a strategy of which all is left open"),
        pytest.param(
            "spec.upgradeStrategy",
            {"type": "RollingUpdate", "maxUnavailable": "100%", "maxSurge": 1000},
            id="shares as a percentage and as a number",
        ),
        pytest.param(f"{TYPE}.upgradeStrategy", {"type": "OnDelete"}, id="a type's own strategy"),
        pytest.param(
            "spec.headService",
            {"type": "NodePort", "annotations": {"example.com/internal": "true"}},
            id="a Service for those outside",
        ),
        pytest.param("spec.drainTimeoutSeconds", 0, id="no time to drain"),
        pytest.param("spec.joinTimeoutSeconds", 0, id="all the time to join"),
        pytest.param("spec.ttlSecondsAfterIdle", 86400, id="a day of idleness"),
    ],
)
def test_what_is_only_odd_is_taken(space: Space, path: str, value: object) -> None:
    document = changed(a_cluster(), path, value)

    space.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(document))
