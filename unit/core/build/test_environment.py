from typing import Any

import pytest

from rayctl.api.auth import Auth, AuthMode
from rayctl.api.document import Reader
from rayctl.api.names import Role
from rayctl.core.build.environment import environment, find_variable
from unit.builders import a_cluster, a_pod_config, a_pod_type


def variables(role: Role, **fields: Any) -> dict[str, Any]:
    cluster = a_cluster(**fields)
    entries = environment(cluster, cluster.pod_types[-1], role, 30)
    return {str(entry["name"]): entry.get("value", entry.get("valueFrom")) for entry in entries}


def test_a_heads_environment() -> None:
    assert variables(Role.HEAD) == {
        "RAY_CLOUD_INSTANCE_ID": {"fieldRef": {"fieldPath": "metadata.name"}},
        "RAY_NODE_TYPE_NAME": "worker-node",
        "RAY_OVERRIDE_RESOURCES": '{"CPU":1,"GPU":0,"memory":751619276}',
        "RAY_AUTH_MODE": "disabled",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "30",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_gcs_pull_resource_loads_period_milliseconds": "250",
    }


def test_a_worker_is_told_where_the_head_is_and_nothing_that_is_the_heads() -> None:
    assert variables(Role.WORKER) == {
        "RAY_CLOUD_INSTANCE_ID": {"fieldRef": {"fieldPath": "metadata.name"}},
        "RAY_NODE_TYPE_NAME": "worker-node",
        "RAY_OVERRIDE_RESOURCES": '{"CPU":1,"GPU":0,"memory":751619276}',
        "RAY_AUTH_MODE": "disabled",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "30",
        "RAY_HEAD_IP": "example-cluster-ray-head",
    }


@pytest.mark.parametrize(("workers", "period"), [(100, "250"), (101, "500"), (250, "500"), (251, "1000")])
def test_the_more_nodes_the_more_rarely_their_demand_is_asked_for(workers: int, period: str) -> None:
    head = variables(Role.HEAD, workers=workers)

    assert head["RAY_gcs_pull_resource_loads_period_milliseconds"] == period


def test_the_sum_of_the_types_counts_where_it_is_less_than_the_clusters_limit() -> None:
    types = (a_pod_type("head"), a_pod_type("a", max_workers=60), a_pod_type("b", max_workers=30))

    head = variables(Role.HEAD, max_workers=1000, pod_types=types)

    assert head["RAY_gcs_pull_resource_loads_period_milliseconds"] == "250"


def test_ray_is_told_of_a_types_labels() -> None:
    kind = a_pod_type(labels={"zone": "north", "rack": ""})

    told = variables(Role.WORKER, pod_types=(a_pod_type("head-node"), kind))

    assert told["RAY_OVERRIDE_LABELS"] == '{"rack": "", "zone": "north"}'


@pytest.mark.parametrize("role", list(Role))
def test_who_needs_a_token_gets_it_from_the_secret(role: Role) -> None:
    told = variables(role, auth=Auth(AuthMode.TOKEN, "the-secret"))

    assert told["RAY_AUTH_MODE"] == "token"
    assert told["RAY_AUTH_TOKEN"] == {"secretKeyRef": {"name": "the-secret", "key": "auth_token"}}


def test_a_host_of_a_slice_is_told_which_one_it_is() -> None:
    tpus = a_pod_type("tpu", hosts=4, pod=a_pod_config(resources={"limits": {"google.com/tpu": 4}}))

    told = variables(Role.WORKER, pod_types=(a_pod_type("head-node"), tpus))

    assert told["RAY_SLICE_INDEX"] == {"fieldRef": {"fieldPath": "metadata.labels['cluster.ray.io/slice']"}}
    assert told["RAY_HOST_INDEX"] == {
        "fieldRef": {"fieldPath": "metadata.labels['cluster.ray.io/host-index']"}
    }
    assert told["TPU_NAME"] == "example-cluster-tpu-$(RAY_SLICE_INDEX)"
    assert told["TPU_WORKER_ID"] == "$(RAY_HOST_INDEX)"


def test_who_has_no_tpu_is_told_of_none_and_a_head_of_no_slice() -> None:
    kind = a_pod_type("many", hosts=4)

    assert "TPU_NAME" not in variables(Role.WORKER, pod_types=(a_pod_type("head-node"), kind))
    assert "RAY_SLICE_INDEX" not in variables(Role.HEAD, pod_types=(kind,))


def test_a_dollar_in_the_name_of_a_resource_is_not_the_kubelets() -> None:
    types = (a_pod_type("head", ray_resources={"$(HOME)": 1}),)

    assert '"$$(HOME)":1' in variables(Role.HEAD, pod_types=types)["RAY_OVERRIDE_RESOURCES"]


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        ([{"name": "X", "value": "7"}], "7"),
        ([{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}], None),
        ([{"name": "Y", "value": "7"}], None),
        (None, None),
    ],
)
def test_a_variable_is_found_where_its_value_stands(entries: Any, value: str | None) -> None:
    container = a_pod_config(env=entries)["spec"]["containers"][0]

    assert find_variable(Reader(container), "X") == value
