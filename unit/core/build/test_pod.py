import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import ClusterKey, Role
from rayctl.api.raycluster import RayCluster
from rayctl.core.build.entrypoint import SCRIPT
from rayctl.core.build.fingerprint import fingerprint
from rayctl.core.build.pod import pod_template
from unit.builders import UID, a_cluster, a_pod_config, a_pod_type

KEYS = st.text("abcdefgXYZ", min_size=1, max_size=8).map(lambda text: f"new{text}")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=4)


def built(pod: dict[str, Any] | None = None, role: Role = Role.WORKER, **cluster: Any) -> dict[str, Any]:
    """The manifest of a pod whose type has this podConfig."""
    pod_type = a_pod_type(pod=a_pod_config() if pod is None else pod)
    return pod_template(a_cluster(**cluster), pod_type, role).manifest(0, 0)


def container_of(manifest: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = manifest["spec"]["containers"][0]
    return first


def variables_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container_of(manifest)["env"]}


@pytest.mark.parametrize("role", list(Role))
def test_the_manifest(role: Role, golden: Callable[[str, str], None]) -> None:
    text = json.dumps(built(role=role), indent=2)

    golden(f"{role}-pod.json", text.replace(json.dumps(SCRIPT), '"<the script>"') + "\n")


@given(FIELDS, FIELDS, FIELDS, FIELDS)
def test_fields_that_nobody_here_knows_pass_through(
    top: dict[str, Any], metadata: dict[str, Any], spec: dict[str, Any], container: dict[str, Any]
) -> None:
    pod = {**a_pod_config(metadata=metadata, spec=spec, **container), **top}
    given_pod = copy.deepcopy(pod)

    manifest = built(pod)

    assert pod == given_pod, "what was given is not changed"
    assert top.items() <= manifest.items()
    assert metadata.items() <= manifest["metadata"].items()
    assert spec.items() <= manifest["spec"].items()
    assert container.items() <= container_of(manifest).items()


def test_stamping_pods_leaves_the_template_as_it_was() -> None:
    template = pod_template(a_cluster(), a_pod_type(), Role.WORKER)
    first = copy.deepcopy(template.manifest(0, 0))

    other = template.manifest(7, 2)

    assert template.manifest(0, 0) == first
    assert other["spec"] == first["spec"]
    assert other["metadata"] != first["metadata"]


def test_a_pod_is_named_after_its_cluster_and_its_place() -> None:
    template = pod_template(a_cluster(), a_pod_type(), Role.WORKER)

    manifest: dict[str, Any] = template.manifest(3, 1)

    assert re.fullmatch(r"example-cluster-ray-worker-[a-z0-9]{5}", manifest["metadata"]["name"])
    assert manifest["metadata"]["name"] == template.name(3, 1)
    assert (
        len({template.name(ordinal, incarnation) for ordinal in range(50) for incarnation in range(4)}) == 200
    )


def test_a_slices_hosts_are_labelled_and_a_head_is_none_of_them() -> None:
    kind = a_pod_type(hosts=4)

    host: Any = pod_template(a_cluster(), kind, Role.WORKER).manifest(6, 0)["metadata"]
    head: Any = pod_template(a_cluster(), kind, Role.HEAD).manifest(0, 0)["metadata"]

    assert host["labels"]["cluster.ray.io/slice"] == "1"
    assert host["labels"]["cluster.ray.io/host-index"] == "2"
    assert host["annotations"]["cluster.ray.io/hosts"] == "4"
    assert not {"cluster.ray.io/slice", "cluster.ray.io/host-index"} & head["labels"].keys()


def test_generate_name_gives_the_prefix_and_is_not_sent() -> None:
    manifest = built(a_pod_config(metadata={"generateName": "gpu-"}))

    assert manifest["metadata"]["name"].startswith("example-cluster-gpu-")
    assert "generateName" not in manifest["metadata"]


@given(
    st.from_regex(r"[a-z]([a-z0-9-]{0,52}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"([a-z0-9]([a-z0-9-]{0,60})-)?", fullmatch=True),
    st.sampled_from(Role),
    st.integers(0, 10_000),
)
def test_any_name_is_a_dns_label(cluster: str, generate_name: str, role: Role, ordinal: int) -> None:
    pod_type = a_pod_type(pod=a_pod_config(metadata={"generateName": generate_name}))

    template = pod_template(replace(a_cluster(), key=ClusterKey("ray", cluster)), pod_type, role)

    assert re.fullmatch(r"(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?", template.name(ordinal, 0))


def test_a_worker_never_carries_what_the_heads_service_selects_by() -> None:
    key = "cluster.ray.io/component"

    worker = built(a_pod_config(metadata={"labels": {key: "example-cluster-ray-head"}}))

    assert key not in worker["metadata"]["labels"]


def test_a_field_that_was_left_empty_counts_as_left_out() -> None:
    manifest = built(a_pod_config(spec={"restartPolicy": None}))

    assert manifest["spec"]["restartPolicy"] == "Never"


def test_the_users_labels_stay_and_those_that_we_need_win() -> None:
    manifest = built(a_pod_config(metadata={"labels": {"team": "a", "ray-node-type": "mine"}}))

    assert manifest["metadata"]["labels"]["team"] == "a"
    assert manifest["metadata"]["labels"]["ray-node-type"] == "worker"


def test_annotations_tell_place_and_fingerprint_beside_the_users() -> None:
    cluster, pod_type = a_cluster(), a_pod_type(pod=a_pod_config(metadata={"annotations": {"a": "b"}}))

    manifest: dict[str, Any] = pod_template(cluster, pod_type, Role.WORKER).manifest(3, 2)

    assert manifest["metadata"]["annotations"] == {
        "a": "b",
        "cluster.ray.io/ordinal": "3",
        "cluster.ray.io/incarnation": "2",
        "cluster.ray.io/fingerprint": fingerprint(cluster, pod_type, Role.WORKER),
        "cluster.ray.io/restart": "",
    }


def test_it_belongs_to_the_cluster_in_the_clusters_namespace() -> None:
    manifest = built(a_pod_config(metadata={"namespace": "elsewhere", "ownerReferences": [{"uid": "other"}]}))

    assert manifest["metadata"]["namespace"] == "ray"
    assert [owner["uid"] for owner in manifest["metadata"]["ownerReferences"]] == [UID, "other"]


def test_a_pod_that_ends_is_not_restarted_in_place_unless_the_user_wants_it() -> None:
    assert built()["spec"]["restartPolicy"] == "Never"
    assert built(a_pod_config(spec={"restartPolicy": "Always"}))["spec"]["restartPolicy"] == "Always"


def test_other_containers_stay_as_they_are() -> None:
    side = {"name": "side", "image": "x", "command": ["sleep", "infinity"], "env": []}
    pod = a_pod_config()
    pod["spec"]["containers"].append(side)

    assert built(pod)["spec"]["containers"][1] == side


def test_the_users_environment_wins_and_may_refer_to_ours() -> None:
    users = [{"name": "RAY_AUTH_MODE", "value": "token"}, {"name": "HEAD", "value": "$(RAY_HEAD_IP):6379"}]

    manifest = built(a_pod_config(env=users))

    assert container_of(manifest)["env"][-2:] == users
    assert [entry["name"] for entry in container_of(manifest)["env"]].count("RAY_AUTH_MODE") == 1
    assert variables_of(manifest)["RAY_HEAD_IP"] == "example-cluster-ray-head"


@pytest.mark.parametrize(
    ("spec", "drain", "result"),
    [
        pytest.param({}, None, (45, "30"), id="by default as long as Ray takes, and 15 s"),
        pytest.param(
            {"terminationGracePeriodSeconds": 100}, None, (100, "85"), id="15 s less than the user's"
        ),
        pytest.param({"terminationGracePeriodSeconds": 5}, None, (5, "0"), id="too short to wait for tasks"),
        pytest.param(
            {"terminationGracePeriodSeconds": -1}, None, (-1, "0"), id="a negative time, which is 1"
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": 200_000},
            None,
            (200_000, "86400"),
            id="days, of which Ray waits one",
        ),
        pytest.param({"terminationGracePeriodSeconds": None}, None, (45, "30"), id="left empty, as left out"),
        pytest.param({}, "120", (135, "120"), id="fits what the user set for Ray"),
        pytest.param({"terminationGracePeriodSeconds": 60}, "120", (60, "120"), id="both are the user's"),
        pytest.param({}, "soon", (45, "soon"), id="what is no number"),
        pytest.param({}, "1e99999999", (45, "1e99999999"), id="a number that takes for ever to write out"),
        pytest.param({}, "-5", (45, "-5"), id="a negative one"),
    ],
)
def test_running_tasks_have_time_within_the_grace_period(
    spec: dict[str, Any], drain: str | None, result: tuple[int, str]
) -> None:
    env = [] if drain is None else [{"name": "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "value": drain}]

    manifest = built(a_pod_config(spec=spec, env=env))

    grace = manifest["spec"]["terminationGracePeriodSeconds"]
    assert (grace, variables_of(manifest)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]) == result


@pytest.mark.parametrize(
    ("role", "image", "path"),
    [
        pytest.param(Role.HEAD, "rayproject/ray:2.60.0", "/api/healthz", id="a head"),
        pytest.param(Role.HEAD, "rayproject/ray:nightly", "/api/healthz", id="a head of who knows which Ray"),
        pytest.param(Role.HEAD, "rayproject/ray:2.9.0", "/api/local_raylet_healthz", id="an old head"),
        pytest.param(Role.WORKER, "rayproject/ray:2.60.0", "/api/local_raylet_healthz", id="a worker"),
    ],
)
def test_rays_agent_tells_whether_the_pod_is_ready(role: Role, image: str, path: str) -> None:
    start = ("ray start --head --dashboard-agent-listen-port=99",)

    container = container_of(
        built(a_pod_config(image=image), role=role, head_start_commands=start, worker_start_commands=start)
    )

    assert container["startupProbe"]["httpGet"] == {"path": path, "port": 99}
    assert container["readinessProbe"]["httpGet"] == {"path": path, "port": 99}
    assert container["args"][container["args"].index("--agent-port") + 1] == "99"


@pytest.mark.parametrize("kind", ["readinessProbe", "startupProbe"])
def test_a_user_who_has_a_probe_gets_no_other(kind: str) -> None:
    probe: Any = {"tcpSocket": {"port": 6379}}

    container = container_of(built(a_pod_config(**dict[str, Any]({kind: probe}))))

    assert {key: value for key, value in container.items() if key.endswith("Probe")} == {kind: probe}
    assert "--agent-port" not in container["args"]


def test_a_command_that_starts_ray_is_left_alone_but_for_its_environment() -> None:
    manifest = built(a_pod_config(command=["ray", "start", "--block"], args=["--address=x"]))

    assert container_of(manifest)["command"] == ["ray", "start", "--block"]
    assert container_of(manifest)["args"] == ["--address=x"]
    assert "RAY_OVERRIDE_RESOURCES" in variables_of(manifest)
    assert "readinessProbe" in container_of(manifest)


def test_scaling_changes_no_pod() -> None:
    def workers(cluster: RayCluster) -> dict[str, Any]:
        return pod_template(cluster, cluster.pod_types[-1], Role.WORKER).manifest(0, 0)

    assert workers(a_cluster(2)) == workers(a_cluster(50))
