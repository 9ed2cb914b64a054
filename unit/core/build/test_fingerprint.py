import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import Role
from rayctl.api.raycluster import PodType, RayCluster, parse_cluster
from rayctl.core.build.fingerprint import digest, fingerprint
from unit.builders import a_cluster, a_cluster_document, a_pod_config, a_pod_type

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def of(cluster: RayCluster, pod_type: PodType | None = None, role: Role = Role.WORKER) -> str:
    return fingerprint(cluster, pod_type or cluster.pod_types[-1], role)


def shuffled(value: Any) -> Any:
    match value:
        case dict():
            keys = list(value)
            random.Random(len(keys)).shuffle(keys)
            return {key: shuffled(value[key]) for key in reversed(keys)}
        case list():
            return [shuffled(item) for item in value]
        case _:
            return value


def test_it_is_the_same_in_every_version_of_the_operator() -> None:
    # Whoever has to change these digits restarts every Ray cluster in the world on upgrade.
    pod_type = a_pod_type(pod={"spec": {"containers": [{"name": "ray", "image": "ray:1"}]}})
    cluster = a_cluster(head_start_commands=("ray start --head",), worker_setup_commands=("pip install x",))

    assert of(a_cluster(), pod_type) == "89d72c5b50aa150a"
    assert of(cluster, pod_type) == "53e62fc3e76ca1ed"
    assert of(cluster, pod_type, Role.HEAD) == "08de017aa3c6d083"
    assert of(cluster, replace(pod_type, ray_resources={"foo": 1})) == "7718d374ecfa8bc4"


def test_scaling_fields_are_not_in_it() -> None:
    plain = parse_cluster(a_cluster_document())
    document = a_cluster_document(5, maxWorkers=9, upscalingSpeed=3.5, idleTimeoutMinutes=1)
    document["spec"]["podTypes"][1]["maxWorkers"] = 7
    document["spec"]["headServicePorts"] = [{"name": "x", "port": 1, "targetPort": 1}]
    document["metadata"] |= {"generation": 8, "labels": {"a": "b"}}

    assert of(parse_cluster(document)) == of(plain)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"ray_resources": {"foo": 1}}, id="rayResources"),
        pytest.param({"ray_resources": {}}, id="rayResources that are empty"),
        pytest.param({"setup_commands": ("x",)}, id="set-up commands"),
        pytest.param({"pod": a_pod_config(image="other")}, id="the image"),
        pytest.param({"pod": a_pod_config(metadata={"labels": {"a": "b"}})}, id="a label"),
        pytest.param({"pod": a_pod_config(spec={"nodeSelector": {"a": "b"}})}, id="the node selector"),
    ],
)
def test_what_the_pod_is_made_of_is_in_it(changed: dict[str, Any]) -> None:
    cluster = a_cluster()

    assert of(cluster, replace(a_pod_type(), **changed)) != of(cluster, a_pod_type())


@pytest.mark.parametrize(
    ("changed", "role"),
    [
        ({"head_start_commands": ("x",)}, Role.HEAD),
        ({"worker_start_commands": ("x",)}, Role.WORKER),
        ({"head_setup_commands": ("x",)}, Role.HEAD),
        ({"worker_setup_commands": ("x",)}, Role.WORKER),
    ],
)
def test_commands_count_for_the_pods_of_their_role_alone(changed: dict[str, Any], role: Role) -> None:
    plain, edited = a_cluster(), a_cluster(**changed)
    other = Role.HEAD if role is Role.WORKER else Role.WORKER

    assert of(edited, role=role) != of(plain, role=role)
    assert of(edited, role=other) == of(plain, role=other)


def test_a_worker_of_the_heads_type_is_another_pod_than_the_head() -> None:
    cluster = a_cluster()

    assert of(cluster, cluster.head, Role.HEAD) != of(cluster, cluster.head, Role.WORKER)


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_the_order_of_keys_is_not_in_it(document: dict[str, Any]) -> None:
    assert digest(shuffled(document)) == digest(document)


@given(st.dictionaries(st.text(max_size=5), JSON), st.text(max_size=5), st.integers())
def test_any_field_of_the_pod_is_in_it(fields: dict[str, Any], key: str, value: int) -> None:
    cluster = a_cluster()
    one, other = ({**fields, key: number} for number in (value, value + 1))

    before, after = (a_pod_type(pod=a_pod_config(spec=spec)) for spec in (one, other))

    assert of(cluster, before) != of(cluster, after)
