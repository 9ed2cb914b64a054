"""The example clusters: the seed's names and numbers, and room for all of the walkthrough in its 6 CPU, 3.5 GiB."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayctl.api.names import TypeName
from rayctl.api.quantity import parse_quantity
from rayctl.api.raycluster import RayCluster, parse_cluster
from rayctl.core.build.resources import offered_resources

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MIB = 2**20


def example(name: str) -> RayCluster:
    return parse_cluster(yaml.safe_load((DEPLOY / "examples" / name).read_text()))


def requests(pod: Any, resource: str) -> Fraction:
    return sum(
        (
            parse_quantity(container["resources"]["requests"][resource])
            for container in pod["spec"]["containers"]
        ),
        Fraction(0),
    )


def operators() -> list[Any]:
    documents = yaml.safe_load_all((DEPLOY / "operator.yaml").read_text())
    deployment = next(document for document in documents if document["kind"] == "Deployment")["spec"]
    return [deployment["template"]] * deployment["replicas"]


def ray_pods() -> list[Any]:
    clusters = [example("example_cluster.yaml"), example("example_cluster2.yaml")]
    workers = [
        kind.pod for cluster in clusters for kind in cluster.pod_types for _ in range(kind.min_workers)
    ]
    return [*(cluster.head.pod for cluster in clusters), *workers]


@pytest.mark.parametrize(
    ("file", "name", "minimum"),
    [
        pytest.param("example_cluster.yaml", "example-cluster", 2, id="first"),
        pytest.param("example_cluster2.yaml", "example-cluster2", 1, id="second"),
    ],
)
def test_names_and_numbers_are_the_seeds(file: str, name: str, minimum: int) -> None:
    cluster = example(file)
    workers = cluster.find_type(TypeName("worker-nodes"))

    assert workers is not None
    assert cluster.key.name == name
    assert cluster.head.name == "head-node"
    assert cluster.head.generate_name == f"{name}-ray-head-"
    assert workers.generate_name == f"{name}-ray-worker-"
    assert (cluster.max_workers, workers.min_workers, workers.max_workers) == (3, minimum, 3)
    assert workers.ray_resources == {"Custom1": 1, "is_spot": 1}


def test_the_walkthrough_is_seven_pods_within_what_the_seed_says() -> None:
    pods = [*operators(), *ray_pods()]

    assert len(pods) == 7
    assert sum(requests(pod, "cpu") for pod in pods) <= 6
    assert sum(requests(pod, "memory") for pod in pods) <= 3584 * MIB


def test_a_pod_has_room_for_what_ray_itself_takes() -> None:
    """Measured with Ray 2.60: a head with its dashboard 710 MiB, a worker 335 MiB; as much again for tasks."""
    limits = [
        parse_quantity(pod["spec"]["containers"][0]["resources"]["limits"]["memory"]) for pod in ray_pods()
    ]

    assert min(limits[:2]) >= 2 * 710 * MIB
    assert min(limits[2:]) >= 2 * 335 * MIB


def test_each_pod_offers_one_cpu_as_in_the_seeds_log() -> None:
    clusters = [example("example_cluster.yaml"), example("example_cluster2.yaml")]

    assert {offered_resources(kind)["CPU"] for cluster in clusters for kind in cluster.pod_types} == {1}


def test_all_pods_run_the_same_ray_and_have_shared_memory() -> None:
    pods = ray_pods()

    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"rayproject/ray:2.60.0"}
    assert all(
        {"name": "dshm", "emptyDir": {"medium": "Memory"}} in pod["spec"]["volumes"]
        and {"name": "dshm", "mountPath": "/dev/shm"} in pod["spec"]["containers"][0]["volumeMounts"]
        for pod in pods
    )
