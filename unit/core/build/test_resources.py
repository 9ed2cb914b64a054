from typing import Any

import pytest

from rayctl.core.build.resources import offered_resources, override_text
from unit.builders import a_pod_config, a_pod_type

GI = 2**30


def sized(requests: dict[str, Any] | None = None, limits: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"requests": requests, "limits": limits}
    return {kind: amounts for kind, amounts in given.items() if amounts is not None}


@pytest.mark.parametrize(
    ("resources", "offered"),
    [
        pytest.param(sized({"cpu": "1"}), {"CPU": 1, "GPU": 0}, id="a request alone counts"),
        pytest.param(sized(None, {"cpu": "4"}), {"CPU": 4, "GPU": 0}, id="a limit alone counts"),
        pytest.param(sized({"cpu": "2"}, {"cpu": "4"}), {"CPU": 2, "GPU": 0}, id="the smaller one counts"),
        pytest.param(sized({"cpu": "500m"}), {"CPU": 1, "GPU": 0}, id="part of a CPU is a CPU"),
        pytest.param(sized({"cpu": "1500m"}), {"CPU": 2, "GPU": 0}, id="CPUs are rounded up"),
        pytest.param(sized({"cpu": 0.5}), {"CPU": 1, "GPU": 0}, id="a number without quotes"),
        pytest.param(sized(), {"CPU": 0, "GPU": 0}, id="a container without sizes offers nothing"),
        pytest.param(
            sized({"memory": "2Gi"}, {"memory": "1Gi"}),
            {"CPU": 0, "GPU": 0, "memory": GI * 7 // 10},
            id="70 % of the smaller memory",
        ),
        pytest.param(
            sized(None, {"memory": "1Gi"}), {"CPU": 0, "GPU": 0, "memory": GI * 7 // 10}, id="memory"
        ),
        pytest.param(
            sized(None, {"nvidia.com/gpu": 1}), {"CPU": 0, "GPU": 1}, id="any resource with gpu in its name"
        ),
        pytest.param(sized(None, {"google.com/tpu": 4}), {"CPU": 0, "GPU": 0, "TPU": 4}, id="TPUs"),
        pytest.param(sized(None, {"amd.com/gpu": "2"}), {"CPU": 0, "GPU": 2}, id="of any maker"),
        pytest.param(sized({"ephemeral-storage": "1Gi"}), {"CPU": 0, "GPU": 0}, id="others are not Ray's"),
        pytest.param(sized({"cpu": "lots"}, {"cpu": "2"}), {"CPU": 2, "GPU": 0}, id="what cannot be read"),
    ],
)
def test_a_container_offers(resources: dict[str, Any], offered: dict[str, int]) -> None:
    pod_type = a_pod_type(pod=a_pod_config(resources=resources))

    assert offered_resources(pod_type) == offered


def test_only_the_first_container_counts() -> None:
    pod = a_pod_config(resources=sized({"cpu": "1"}))
    pod["spec"]["containers"].append({"name": "side", "resources": sized({"cpu": "7", "memory": "7Gi"})})

    assert offered_resources(a_pod_type(pod=pod)) == {"CPU": 1, "GPU": 0}


def test_ray_resources_win_and_their_zeros_count() -> None:
    pod = a_pod_config(resources=sized({"cpu": "4"}, {"memory": "1Gi", "nvidia.com/gpu": 1}))
    pod_type = a_pod_type(pod=pod, ray_resources={"CPU": 0, "GPU": 0, "memory": 2 * GI, "Custom1": 1})

    assert offered_resources(pod_type) == {"CPU": 0, "GPU": 0, "memory": 2 * GI, "Custom1": 1}


def test_the_override_is_json_with_sorted_names() -> None:
    assert override_text({"b": 1, "CPU": 2, "a": 0}) == '{"CPU":2,"a":0,"b":1}'
