import subprocess

import pytest

from rayctl.api.names import Role
from rayctl.core.build.ray_start import (
    agent_port,
    gcs_port,
    setup_commands,
    start_commands,
    starts_ray,
    without_monitor,
)
from unit.builders import a_cluster, a_pod_type


@pytest.mark.parametrize(
    ("command", "amended"),
    [
        pytest.param(
            "ulimit -n 65536; ray start --head --port=6379",
            "ulimit -n 65536; ray start --no-monitor --head --port=6379",
            id="Ray 1.1",
        ),
        pytest.param("ray  start\t--head", "ray  start --no-monitor\t--head", id="odd blanks"),
        pytest.param("ray start --head &> log", "ray start --no-monitor --head &> log", id="redirected"),
        pytest.param("ray start 2>&1 --head", "ray start --no-monitor 2>&1 --head", id="redirected before"),
        pytest.param("ray start \\\n --head", "ray start --no-monitor \\\n --head", id="continued line"),
        pytest.param("a 2>&1; ray start --head 2>&1 | tee x", "a 2>&1; ray start --no-monitor --head 2>&1 | tee x", id="piped"),
    ],
)  # fmt: skip
def test_a_head_is_started_without_rays_own_autoscaler(command: str, amended: str) -> None:
    assert without_monitor(command) == amended
    subprocess.run(["bash", "-n", "-c", amended], check=True)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("ray start --head --no-monitor", id="has the option"),
        pytest.param("ray start --no-monitor --head", id="has it before"),
        pytest.param("ray start --address=$RAY_HEAD_IP:6379", id="no head"),
        pytest.param("ray stop", id="no start"),
        pytest.param("ray start --address=x; echo --head", id="another command's option"),
        pytest.param("ray start --head-not", id="another option"),
        pytest.param("array start --head", id="another program"),
    ],
)
def test_other_commands_stay_as_they_are(command: str) -> None:
    assert without_monitor(command) == command


@pytest.mark.parametrize(
    ("commands", "port"),
    [
        pytest.param(None, 6379, id="ours"),
        pytest.param(("ray start --head",), 6379, id="Ray's default"),
        pytest.param(("ray start --head --port=6380",), 6380, id="with an equals sign"),
        pytest.param(("ray start --head --port 6380 --x",), 6380, id="with a blank"),
        pytest.param(("ray start --head --port '6380'",), 6380, id="quoted"),
        pytest.param(("ray stop", "ray start --head --dashboard-port=1 --port=7"), 7, id="among others"),
        pytest.param(("ray start --head --redis-port=1",), 6379, id="another option"),
        pytest.param(("true --port=99999; ray start --head --port=7",), 7, id="after one that is none"),
        pytest.param(("ray start --head --port=0",), 6379, id="one that Ray chooses"),
        pytest.param(('ray start --head --port="$PORT"',), 6379, id="not known before it runs"),
    ],
)
def test_the_port_of_the_gcs_is_read_from_the_heads_commands(
    commands: tuple[str, ...] | None, port: int
) -> None:
    assert gcs_port(a_cluster(head_start_commands=commands)) == port


def test_the_agents_port_is_read_from_the_commands_of_its_role() -> None:
    cluster = a_cluster(worker_start_commands=("ray start --dashboard-agent-listen-port=1234",))

    assert agent_port(cluster, Role.WORKER) == 1234
    assert agent_port(cluster, Role.HEAD) == 52365


def test_set_up_begins_with_what_all_pods_of_the_role_need() -> None:
    cluster = a_cluster(head_setup_commands=("h",), worker_setup_commands=("w",))
    pod_type = a_pod_type(setup_commands=("own",))

    assert setup_commands(cluster, pod_type, Role.HEAD) == ("h", "own")
    assert setup_commands(cluster, pod_type, Role.WORKER) == ("w", "own")


def test_without_start_commands_there_are_ours() -> None:
    cluster = a_cluster()

    (head,), (worker,) = start_commands(cluster, Role.HEAD), start_commands(cluster, Role.WORKER)

    assert "ray start --head --port=6379 --no-monitor --dashboard-host=0.0.0.0" in head
    assert 'ray start --address="$RAY_HEAD_IP:6379"' in worker


def test_our_worker_finds_the_port_that_the_user_gave_the_head() -> None:
    cluster = a_cluster(head_start_commands=("ray start --head --port=6380",))

    assert ":6380" in start_commands(cluster, Role.WORKER)[0]


def test_an_empty_list_of_start_commands_means_ours_too() -> None:
    cluster = a_cluster(head_start_commands=(), worker_start_commands=())

    assert "ray start --head" in start_commands(cluster, Role.HEAD)[0]
    assert "ray start --address" in start_commands(cluster, Role.WORKER)[0]


@pytest.mark.parametrize(
    ("argv", "does"),
    [
        (("ray", "start", "--head", "--block"), True),
        (("bash", "-c", "ulimit -n 65536; ray start --head --block"), True),
        (("bash", "-c", "sleep infinity"), False),
        ((), False),
    ],
)
def test_a_containers_own_command_starts_ray(argv: tuple[str, ...], does: bool) -> None:
    assert starts_ray(argv) is does
