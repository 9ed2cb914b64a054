import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import Role
from rayctl.api.raycluster import RayCluster
from rayctl.core.build.command import for_kubelet, ray_command
from rayctl.core.build.entrypoint import SCRIPT
from unit.builders import a_cluster, a_pod_config, a_pod_type


def args_of(cluster: RayCluster, role: Role, *, agent_port: int | None = None) -> tuple[str, ...]:
    pod_type = cluster.head if role is Role.HEAD else cluster.pod_types[-1]
    command = ray_command(cluster, pod_type, role, agent_port)
    assert command is not None
    return command.args


def as_the_kubelet_expands(text: str, variables: dict[str, str]) -> str:
    """Kubernetes' rules for command, args and env: $$ is $, $(NAME) is the variable's value if there is one."""

    def expand(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", expand, text)


def test_the_container_runs_the_script_by_bash() -> None:
    cluster = a_cluster()

    command = ray_command(cluster, cluster.head, Role.HEAD, None)

    assert command is not None
    assert command.command == ("/bin/bash", "-c", SCRIPT, "rayctl")


def test_a_head_runs_set_up_and_then_starts_ray() -> None:
    head = a_pod_type("head", setup_commands=("own",))
    cluster = a_cluster(
        pod_types=(head,), head_setup_commands=("all",), head_start_commands=("ray stop", "ray start --head")
    )

    args = args_of(cluster, Role.HEAD)

    assert args[-5:] == ("--", "all", "own", "ray stop", "ray start --no-monitor --head")
    assert "--head-port" not in args


def test_a_worker_waits_for_the_heads_port_before_the_first_command_that_needs_it() -> None:
    cluster = a_cluster(
        head_start_commands=("ray start --head --port=6380",),
        worker_setup_commands=("pip install numpy",),
        worker_start_commands=("ray stop", "ray start --address=$RAY_HEAD_IP:6380"),
    )

    args = args_of(cluster, Role.WORKER)

    assert args[args.index("--head-port") + 1] == "6380"
    assert args[args.index("--alone") + 1] == "2"


@pytest.mark.parametrize(
    ("commands", "alone"),
    [
        pytest.param(("echo $RAY_HEAD_IP", "ray start"), "0", id="the address"),
        pytest.param(("a", "./start-ray.sh"), "1", id="a script, which must be the last"),
    ],
)
def test_it_waits_before_whatever_may_need_the_head(commands: tuple[str, ...], alone: str) -> None:
    args = args_of(a_cluster(worker_start_commands=commands), Role.WORKER)

    assert args[args.index("--alone") + 1] == alone


def test_the_own_command_is_run_up_to_its_keepalive() -> None:
    cluster = a_cluster(pod_types=(a_pod_type(pod=a_pod_config(args=["ldconfig; sleep infinity & wait"])),))

    args = args_of(cluster, Role.HEAD)

    assert args[:6] == ("--before", "4", "/bin/bash", "-c", "--", "ldconfig; exit 0")


def test_an_own_command_without_an_end_in_sight_is_given_ten_seconds() -> None:
    cluster = a_cluster(pod_types=(a_pod_type(pod=a_pod_config(command=["/start.sh"], args=["now"])),))

    args = args_of(cluster, Role.HEAD)

    assert args[:6] == ("--patience", "10", "--beside", "2", "/start.sh", "now")


def test_an_own_command_that_starts_ray_is_left_alone() -> None:
    pod_type = a_pod_type(pod=a_pod_config(command=["ray", "start", "--head", "--block"], args=[]))

    assert ray_command(a_cluster(pod_types=(pod_type,)), pod_type, Role.HEAD, None) is None


def test_raylogs_are_followed_where_the_user_writes_them() -> None:
    written = a_cluster(head_start_commands=("ray start --head &> /tmp/raylogs",))

    assert args_of(written, Role.HEAD)[:2] == ("--follow", "/tmp/raylogs")
    assert "--follow" not in args_of(a_cluster(), Role.HEAD)


def test_the_script_is_told_the_port_that_the_probe_asks() -> None:
    assert "--agent-port" not in args_of(a_cluster(), Role.HEAD)
    assert "52365" in args_of(a_cluster(), Role.HEAD, agent_port=52365)


@given(
    st.text(st.sampled_from("$()AB a{}")), st.dictionaries(st.sampled_from(["A", "B", "AB"]), st.just("!"))
)
def test_what_the_kubelet_expands_is_the_command_as_it_was_written(
    text: str, variables: dict[str, str]
) -> None:
    assert as_the_kubelet_expands(for_kubelet(text), variables) == text


@given(st.text(max_size=20) | st.text("$()x"))
def test_every_start_command_reaches_the_shell_whole(text: str) -> None:
    args = args_of(a_cluster(worker_start_commands=("ray stop", text, "ray start")), Role.WORKER)

    assert as_the_kubelet_expands(args[-2], {}) == text
