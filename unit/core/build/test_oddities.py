"""What is legal and probably not meant is told, field by field; what is plainly meant is not."""

from typing import Any

import pytest

from rayctl.api.raycluster import parse_cluster
from rayctl.core.build.oddities import oddities
from unit.builders import a_cluster_document, a_pod_config

HEAD = "spec.podTypes[0].podConfig"
WORKER = "spec.podTypes[1].podConfig"


def told(
    *, head: dict[str, Any] | None = None, worker: dict[str, Any] | None = None, **spec: Any
) -> tuple[str, ...]:
    document = a_cluster_document(**spec)
    document["spec"]["podTypes"][0] |= head or {}
    document["spec"]["podTypes"][1] |= worker or {}
    return oddities(parse_cluster(document))


def pod(**metadata: Any) -> dict[str, Any]:
    return {"podConfig": a_pod_config(metadata=metadata)}


def of_image(image: str, memory: Any = "2Gi") -> dict[str, Any]:
    return {"podConfig": a_pod_config(image=image, resources={"limits": {"memory": memory}})}


def port(number: int, target: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "port": number, "targetPort": target}]


@pytest.mark.parametrize(
    ("given", "odd"),
    [
        pytest.param(
            {"worker": {"minWorkers": 3, "maxWorkers": 2}},
            "spec.podTypes[1].minWorkers 3 is above maxWorkers 2: the maximum wins",
            id="a minimum above its maximum",
        ),
        pytest.param(
            {"worker": {"maxWorkers": 6, "numOfHosts": 4}},
            "spec.podTypes[1].maxWorkers 6 has room for 1 slice of 4 hosts, the rest is never used",
            id="a maximum that is no number of slices",
        ),
        pytest.param(
            {"maxWorkers": 1, "worker": {"maxWorkers": 5}},
            "spec.maxWorkers 1 is below the sum of all minWorkers, 2: the maximum wins",
            id="minimums that add up to more than the cluster's maximum",
        ),
        pytest.param(
            {"ttlSecondsAfterIdle": 0},
            "spec.ttlSecondsAfterIdle 0: it may be suspended before anyone connects",
            id="hardly any time to be idle",
        ),
        pytest.param(
            {"upgradeStrategy": {"type": "Recreate", "maxSurge": 1}},
            "spec.upgradeStrategy: maxUnavailable and maxSurge mean nothing to Recreate",
            id="numbers for a strategy that has none",
        ),
        pytest.param(
            {"worker": {"upgradeStrategy": {"type": "OnDelete", "maxUnavailable": 1}}},
            "spec.podTypes[1].upgradeStrategy: maxUnavailable and maxSurge mean nothing to OnDelete",
            id="likewise for one type",
        ),
        pytest.param(
            {"headServicePorts": port(6379, 8000)},
            "spec.headServicePorts[0].targetPort 8000: workers look for the head's GCS behind port 6379",
            id="a port that hides the GCS",
        ),
        pytest.param(
            {"headServicePorts": port(80, "web")},
            "spec.headServicePorts[0].targetPort 'web': no container of the head's type has a port of that name",
            id="a target that no container has",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:2.60.0"), "worker": of_image("mirror/ray-ml:2.59.1-py312")},
            "spec.podTypes: Ray's nodes must be of one version, "
            "and the images are of 2.60.0 (head-node), 2.59.1 (worker-node)",
            id="two versions of Ray",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:2.6.3"), "worker": of_image("mine")},
            "spec.podTypes: Ray 2.6.3 is not autoscaled, that takes 2.7",
            id="a Ray that does not tell what it needs",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:1.13.0", "512Mi"), "worker": of_image("mine")},
            "spec.podTypes: Ray 1.13.0 is not autoscaled, that takes 2.7; "
            "its pods become ready only with a readinessProbe of your own",
            id="a Ray of the old days",
        ),
        pytest.param(
            {"worker": {"rayResources": {"cpu": 4}}},
            "spec.podTypes[1].rayResources.cpu: a resource of yours; Ray's own is called CPU",
            id="a resource of Ray's, written small",
        ),
        pytest.param(
            {"worker": pod(name="mine")},
            f"{WORKER}.metadata.name is not used: the operator gives pods their names and its namespace",
            id="a name for all pods of a type",
        ),
        pytest.param(
            {"worker": pod(labels={"ray-cluster-name": "other"})},
            f"{WORKER}.metadata.labels.ray-cluster-name is not used: it is a label of the operator's",
            id="a label that is ours",
        ),
        pytest.param(
            {"head": pod(labels={"cluster.ray.io/component": "mine"})},
            f"{HEAD}.metadata.labels.cluster.ray.io/component is not used: it is a label of the operator's",
            id="the label that the head's Service selects by",
        ),
        pytest.param(
            {"worker": {"podConfig": a_pod_config(spec={"terminationGracePeriodSeconds": -5})}},
            f"{WORKER}.spec.terminationGracePeriodSeconds -5 counts as 1",
            id="a negative time",
        ),
        pytest.param(
            {"worker": {"podConfig": a_pod_config(env=[{"name": "A"}, {"name": "B"}, {"name": "A"}])}},
            f"{WORKER}.spec.containers[0].env: 'A' is there twice; the later one counts",
            id="a variable twice",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:2.60.0", "512Mi")},
            f"{HEAD}.spec.containers[0].resources.limits.memory '512Mi': "
            "a head of Ray 2.60 takes some 710Mi, and is killed where it has less",
            id="a head that Ray does not fit into",
        ),
    ],
)
def test_it_is_told(given: dict[str, Any], odd: str) -> None:
    assert told(**given) == (odd,)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="a plain cluster"),
        pytest.param({"upgradeStrategy": {"type": "Recreate"}}, id="a strategy without numbers"),
        pytest.param({"ttlSecondsAfterIdle": 60}, id="a minute to be idle"),
        pytest.param({"headServicePorts": port(6379, 6379)}, id="the GCS under a user's name"),
        pytest.param({"headServicePorts": port(6379, "")}, id="a target that is the port's number"),
        pytest.param(
            {
                "headServicePorts": port(6379, "gcs"),
                "head": {"podConfig": a_pod_config(ports=[{"name": "gcs", "containerPort": 6379}])},
            },
            id="the GCS by the name of its port",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:2.60.0"), "worker": of_image("rayproject/ray:2.60.0-gpu")},
            id="two images of one version",
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:latest"), "worker": of_image("mine")}, id="no versions"
        ),
        pytest.param(
            {"head": of_image("rayproject/ray:2.7.0"), "worker": of_image("mine")},
            id="the oldest Ray that is scaled",
        ),
        pytest.param({"head": of_image("mine", None)}, id="a head without a limit"),
        pytest.param(
            {"worker": {"rayResources": {"CPU": 4, "memory": 1, "gpu-kind": 1}}}, id="Ray's own names"
        ),
        pytest.param({"worker": pod(labels={"cluster.ray.io/component": "mine"})}, id="a label that stays"),
        pytest.param({"head": pod(labels={"ray-node-type": "head"})}, id="a label as ours is"),
    ],
)
def test_what_is_meant_is_not_told(given: dict[str, Any]) -> None:
    assert told(**given) == ()


def test_of_very_many_only_the_first_are_told() -> None:
    odd = {f"x{number}": 1 for number in range(30)}
    kinds = [
        {
            "name": f"t{number}",
            "minWorkers": 2,
            "maxWorkers": 1,
            "podConfig": a_pod_config(),
            "rayResources": odd,
        }
        for number in range(30)
    ]
    head = {"name": "head", "podConfig": a_pod_config()}
    document = a_cluster_document(headPodType="head", podTypes=[head, *kinds], maxWorkers=99)

    found = oddities(parse_cluster(document))

    assert len(found) == 21
    assert found[-1] == "and 10 more"
