"""Names that Kubernetes or Ray would not take are refused in words."""

from typing import Any

import pytest

from rayctl.api.document import SpecError
from rayctl.api.name_rules import LONGEST_NAME, MOST_LABELS, MOST_RESOURCES
from rayctl.api.raycluster import parse_cluster
from unit.builders import a_cluster_document


def errors_of(document: dict[str, Any]) -> list[str]:
    try:
        parse_cluster(document)
    except SpecError as error:
        return [str(field) for field in error.fields]
    return []


def with_worker(**fields: Any) -> dict[str, Any]:
    document = a_cluster_document()
    document["spec"]["podTypes"][1] |= fields
    return document


@pytest.mark.parametrize("name", ["a", "a-1", "n" * LONGEST_NAME])
def test_a_cluster_may_be_called(name: str) -> None:
    assert errors_of(a_cluster_document(name=name)) == []


@pytest.mark.parametrize("name", ["2nd", "a.b", "a-", "n" * (LONGEST_NAME + 1)])
def test_a_cluster_whose_service_could_not_be_made_is_refused(name: str) -> None:
    (error,) = errors_of(a_cluster_document(name=name))

    assert error.startswith("metadata.name: the head's Service would be called ")
    assert error.endswith("of a-z, 0-9 and '-', 54 at most")


@pytest.mark.parametrize("name", ["cpu", "CPU_small.2", "9", "n" * 63])
def test_a_type_may_be_called(name: str) -> None:
    assert errors_of(with_worker(name=name)) == []


@pytest.mark.parametrize("name", ["c p", "-cpu", "cpu.", "n" * 64, "cpu\n", "\u043a"])
def test_a_type_that_cannot_be_a_label_is_refused(name: str) -> None:
    (error,) = errors_of(with_worker(name=name))

    assert error.startswith("spec.podTypes[1].name: ")
    assert "cannot be a pod's label, which it becomes; write letters, digits," in error


def test_a_types_nodes_may_have_labels_of_kubernetes_form() -> None:
    labels = {"zone": "a", "example.com/rack": "R_2.b", "ray.io/market-type": "spot", "bare": ""}

    assert errors_of(with_worker(labels=labels)) == []


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"-zone": "a"}, "labels.'-zone': it cannot be the name of a label"),
        ({"Ex ample/zone": "a"}, "labels.'Ex ample/zone': it cannot be the name of a label"),
        ({"zone": "a b"}, "labels.zone: 'a b' cannot be a label's value"),
        ({"zone": 1}, "labels.zone: a number where a string is needed"),
        (
            {"ray.io/node-group": "a"},
            "labels.ray.io/node-group: Ray's nodes have their pod type's name there",
        ),
        ({str(n): "" for n in range(MOST_LABELS + 1)}, "labels: 65 labels are more than the 64"),
    ],
)
def test_a_label_that_ray_would_not_take_is_refused(labels: dict[str, Any], problem: str) -> None:
    (error,) = errors_of(with_worker(labels=labels))

    assert error.startswith(f"spec.podTypes[1].{problem}")


def test_the_types_that_there_are_are_named_as_far_as_they_can_be_read() -> None:
    document = with_worker(name="c\np")
    document["spec"]["headPodType"] = "haed"

    assert errors_of(document)[-1] == (
        "spec.headPodType: no pod type is called 'haed'; name one of spec.podTypes: head-node"
    )


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        pytest.param({"": 1}, '."": a resource without a name; give it a name', id="no name"),
        pytest.param(
            {"n" * 254: 1},
            f".{'n' * 80}…: a name of more than 253 characters; shorten it",
            id="a name that nobody can read",
        ),
        pytest.param(
            {f"r{number}": 1 for number in range(MOST_RESOURCES + 1)},
            ": 257 resources are more than the 256 that there may be; name those that tasks ask for",
            id="more than an environment variable holds",
        ),
    ],
)
def test_resources_that_ray_cannot_be_told_of_are_refused(resources: dict[str, int], error: str) -> None:
    assert errors_of(with_worker(rayResources=resources)) == [f"spec.podTypes[1].rayResources{error}"]
