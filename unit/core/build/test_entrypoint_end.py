"""How the script ends: with Ray, or when it is told to."""

import os
import signal
import socket
from pathlib import Path

import pytest

from unit.core.build.container import Container, port_of


def test_the_container_ends_when_a_process_of_ray_does(container: Container) -> None:
    container.start("--", "ray start --head")
    container.output_until("Ray runs")

    container.end_ray("gcs_server")
    status, output = container.ended()

    assert status == 1
    assert "gcs_server ended, so the container ends" in output
    assert "the last words of gcs_server" in output


def test_commands_that_start_no_ray_end_the_container(container: Container) -> None:
    status, output = container.run("--", "echo forgot it")

    assert status == 1
    assert "left no raylet running" in output


def test_the_raylet_of_another_container_is_not_taken_for_ours(container: Container, tmp_path: Path) -> None:
    other = Container(tmp_path, environment=container.environment)
    other.start("--", "ray start --head")
    other.output_until("Ray runs")

    status, _ = container.run("--", "true")

    os.killpg(other.process.pid if other.process else 0, signal.SIGKILL)
    other.ended()
    assert status == 1


def test_a_head_that_is_told_to_end_does_so_at_once(container: Container) -> None:
    container.start("--", "ray start --head")
    container.output_until("Ray runs")

    container.tell(signal.SIGTERM)
    status, _ = container.ended()

    assert status == 143
    assert container.notes[-2:] == ["raylet got TERM", "gcs_server got TERM"]


def test_a_worker_that_is_told_to_end_lets_running_tasks_end(
    container: Container, gcs: socket.socket
) -> None:
    container.start("--head-port", port_of(gcs), "--", "ray start --address=x", GCS_PORT=port_of(gcs))
    container.output_until("Ray runs")

    container.tell(signal.SIGTERM)
    status, _ = container.ended()

    assert status == 143
    assert container.notes[-1] == "raylet is drained"
    drain = container.notes[-2]
    assert drain.startswith(f"ray drain-node --address 127.0.0.1:{port_of(gcs)} --node-id 0a1b")
    assert "--deadline-remaining-seconds 10 --reason DRAIN_NODE_REASON_PREEMPTION" in drain


def test_tasks_that_outlast_their_time_are_ended(container: Container, gcs: socket.socket) -> None:
    container.start(
        "--head-port", port_of(gcs), "--", "ray start --address=x",
        GCS_PORT=port_of(gcs), DRAINS="no", RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S="1.5",
    )  # fmt: skip
    container.output_until("Ray runs")

    container.tell(signal.SIGTERM)
    status, _ = container.ended()

    assert status == 143
    assert container.notes[-1] == "raylet got TERM"


def test_a_worker_whose_head_is_gone_does_not_wait_for_its_tasks(
    container: Container, gcs: socket.socket
) -> None:
    container.start(
        "--head-port", port_of(gcs), "--", "ray start --address=x",
        GCS_PORT=port_of(gcs), DRAINS="no", RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S="1000",
    )  # fmt: skip
    container.output_until("Ray runs")

    gcs.close()
    container.tell(signal.SIGTERM)
    status, _ = container.ended()

    assert status == 143
    assert container.notes[-1] == "raylet got TERM"


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("--", "echo begun; sleep 1000"), id="in a setup command"),
        pytest.param(
            ("--before", "3", "sh", "-c", "echo begun; sleep 1000", "--", "x"), id="in its own command"
        ),
        pytest.param(("--head-port", "1", "--", "x"), id="waiting for the head"),
    ],
)
def test_told_to_end_before_ray_runs_it_does_so(container: Container, args: tuple[str, ...]) -> None:
    container.start(*args)
    container.output_until("waiting for" if "--head-port" in args else "begun")

    container.tell(signal.SIGTERM)
    assert container.process is not None

    assert container.process.wait(timeout=10) == 143


def test_as_the_first_process_of_a_container_it_ends_when_told(first_process: Container) -> None:
    first_process.start("--", "ray start --head")
    first_process.output_until("Ray runs")

    assert first_process.process is not None
    outer = first_process.process.pid
    (inner,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    os.kill(int(inner), signal.SIGTERM)
    status, _ = first_process.ended()

    assert status == 143
    assert first_process.notes[-2:] == ["raylet got TERM", "gcs_server got TERM"]
