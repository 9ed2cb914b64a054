"""The script, run by bash on this machine with stand-ins for Ray's programs."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rayctl.core.build.entrypoint import SCRIPT

# `ray start` leaves a raylet (and a gcs_server on a head) behind, as the real one does. All note what befalls
# them in the file $NOTES.
RAY = r"""#!/bin/bash
printf 'ray %s\n' "$*" >> "$NOTES"
case $1 in
  start)
    [[ $* == *--head* ]] && { gcs_server --log_dir="$LOGS" &> /dev/null & }
    raylet --log_dir="$LOGS" --node_id=0a1b --gcs-address="127.0.0.1:$GCS_PORT" &> /dev/null &
    until grep -qs 'raylet is up' "$NOTES"; do sleep 0.02; done
    ;;
  drain-node) if [[ $DRAINS == yes ]]; then touch "$HOME/drained"; fi ;;
esac
"""
DAEMON = r"""#!/bin/bash
name=${0##*/}
trap 'echo "$name got TERM" >> "$NOTES"; exit' TERM
echo "$name is up" >> "$NOTES"
echo "the last words of $name" > "$LOGS/$name.err"
echo "$BASHPID" > "$HOME/$name.pid"
until [[ -e $HOME/drained ]]; do sleep 0.05; done
echo "$name is drained" >> "$NOTES"
"""


@dataclass
class Container:
    """A run of the script, in a home of its own."""

    home: Path
    process: "subprocess.Popen[str] | None" = None
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()

    def start(self, *args: str, **variables: str) -> None:
        environment = {**self.environment, **variables}
        self.process = subprocess.Popen(
            [*self.wrapper, "/bin/bash", "-c", SCRIPT, "rayctl", *args],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, **variables: str) -> tuple[int, str]:
        """Run to the end; return exit code and output."""
        self.start(*args, **variables)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        assert self.process is not None
        output, _ = self.process.communicate(timeout=15)
        return self.process.returncode, output

    def output_until(self, text: str) -> str:
        """Read the output up to a line with that text."""
        assert self.process is not None
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"{text!r} is not in the output:\n{''.join(lines)}")

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end_ray(self, name: str) -> None:
        os.kill(int((self.home / f"{name}.pid").read_text()), signal.SIGKILL)

    @property
    def notes(self) -> list[str]:
        return (self.home / "notes").read_text().splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"ray": RAY, "raylet": DAEMON, "gcs_server": DAEMON}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    # A login shell sets PATH anew from /etc/profile, so only .bashrc can make the stand-ins be found.
    (tmp_path / ".bashrc").write_text(f'export PATH="{programs}:$PATH"\n')
    (tmp_path / "notes").touch()
    (tmp_path / "logs").mkdir()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NOTES": str(tmp_path / "notes"),
        "LOGS": str(tmp_path / "logs"),
        "RAY_HEAD_IP": "localhost",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "10",
        "DRAINS": "yes",
    }
    container = Container(tmp_path, environment=environment)
    yield container
    if container.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(container.process.pid, signal.SIGKILL)
        container.process.communicate()


@pytest.fixture
def first_process(container: Container) -> Container:
    """A container whose script is the first process of a PID namespace: when it ends, so does all else."""
    wrapper = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("a PID namespace needs root")
    container.wrapper = wrapper
    return container


@pytest.fixture
def gcs() -> Iterator[socket.socket]:
    """A listening port of this machine, for a GCS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> str:
    return str(server.getsockname()[1])


def test_commands_run_in_order_each_in_a_shell_of_its_own(container: Container) -> None:
    container.start("--", "echo one; forgotten=1", 'echo "two$forgotten"', "ray start --head")

    output = container.output_until("Ray runs")

    assert [line for line in output.splitlines() if not line.startswith("rayctl:")] == ["one", "two"]
    assert container.notes[0] == "ray start --head"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('it\'s "quoted" \\ once', id="quotes"),
        pytest.param("$(touch spoiled) `touch spoiled` ${HOME} $$", id="expansions"),
        pytest.param("line one\nline two\n\ttab", id="newlines"),
        pytest.param("gr\u00fc\u00dfe \u2603 \U0001f600", id="unicode"),
        pytest.param("-n --help -- ; & | > < * ? [a] {a,b} ! # ~", id="shell characters"),
    ],
)
def test_a_command_gets_its_words_as_they_were_written(container: Container, text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"

    container.run("--", f'printf %s {quoted} > "$HOME/word"')

    assert (container.home / "word").read_text() == text
    assert not (container.home / "spoiled").exists()


def test_the_first_failure_ends_it_with_that_exit_code_and_says_which_command(container: Container) -> None:
    status, output = container.run("--", "echo fine", "exit 7", "ray start --head")

    assert status == 7
    assert "rayctl: failed with exit code 7, so Ray is not started: exit 7" in output
    assert container.notes == []


def test_a_command_with_a_syntax_error_is_a_failure(container: Container) -> None:
    status, output = container.run("--", "echo 'open", "ray start --head")

    assert status != 0
    assert "so Ray is not started: echo 'open" in output


def test_a_semicolon_goes_on_after_a_failing_ulimit(container: Container) -> None:
    container.start("--", "ulimit -Hn 8; ulimit -n 65536; ray start --head")

    output = container.output_until("Ray runs")

    assert "ulimit" in output
    assert "ray start --head" in container.notes


def test_commands_have_the_legacy_environment_unless_the_user_set_it(container: Container) -> None:
    show = 'echo "<$OMP_NUM_THREADS $PYTHONWARNINGS $-> $#"'

    _, plain = container.run("--", show)
    _, set_by_user = container.run("--", show, OMP_NUM_THREADS="4", PYTHONWARNINGS="default")

    assert "<1 ignore" in plain
    assert "<4 default" in set_by_user
    assert "i" in plain.split("<1 ignore ")[1].split(">")[0], "the shell is interactive"
    assert "> 0" in plain


def test_bash_says_nothing_about_the_missing_terminal(container: Container) -> None:
    _, output = container.run("--", "echo only this")

    assert "terminal" not in output
    assert "job control" not in output


def test_what_commands_write_to_stderr_is_seen(container: Container) -> None:
    _, output = container.run("--", "echo trouble >&2")

    assert "trouble" in output.splitlines()


def test_commands_can_be_interrupted_as_in_the_foreground(container: Container) -> None:
    # Python installs no handler where SIGINT is ignored, and then ray.cancel() does nothing.
    container.run("--", f"grep SigIgn /proc/self/status > {container.home}/signals")

    ignored = int((container.home / "signals").read_text().split()[1], 16)
    assert not ignored & (1 << signal.SIGINT - 1)
    assert not ignored & (1 << signal.SIGTERM - 1)


def test_the_containers_own_command_is_run_to_its_end_before_all_else(container: Container) -> None:
    own = ["/bin/sh", "-c", 'sleep 0.3; echo own >> "$NOTES"; exit 0']

    container.start("--before", str(len(own)), *own, "--", "ray start --head")
    container.output_until("Ray runs")

    assert container.notes[:2] == ["own", "ray start --head"]


def test_a_failing_own_command_ends_the_container_with_its_exit_code(container: Container) -> None:
    status, output = container.run("--before", "3", "sh", "-c", "exit 3", "--", "ray start --head")

    assert status == 3
    assert "own command failed with exit code 3" in output
    assert container.notes == []


def test_an_own_command_that_goes_on_is_left_running_beside_ray(container: Container) -> None:
    container.start("--patience", "1", "--beside", "2", "sleep", "1000", "--", "ray start --head")

    output = container.output_until("Ray runs")

    assert "own command goes on; Ray runs beside it" in output


def test_a_worker_waits_until_the_head_answers_and_says_so_at_once(container: Container) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = port_of(reserved)
        container.start("--head-port", port, "--", "ray start --address=$RAY_HEAD_IP:1", GCS_PORT=port)
        waiting = container.output_until("waiting for Ray on the head")
        before = container.notes

        reserved.listen()
        container.output_until("Ray runs")

    assert f"localhost:{port} (Connection refused)" in waiting
    assert before == []
    assert container.notes[0] == "ray start --address=127.0.0.1:1", "RAY_HEAD_IP is an address"


def test_a_worker_does_alone_what_needs_no_head(container: Container) -> None:
    container.start("--head-port", "1", "--alone", "2", "--", "echo one", "echo two", "echo three")

    output = container.output_until("waiting for Ray on the head")

    assert [line for line in output.splitlines() if not line.startswith("rayctl:")] == ["one", "two"]


def test_a_name_that_does_not_resolve_is_named(container: Container) -> None:
    container.start("--head-port", "6379", "--", "true", RAY_HEAD_IP="no-such-head.invalid")

    output = container.output_until("waiting for Ray on the head")

    assert "no-such-head.invalid:6379 (" in output


def test_without_getent_the_head_keeps_its_name(
    container: Container, gcs: socket.socket, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for program in ("bash", "timeout", "sleep"):
        (few / program).symlink_to(shutil.which(program) or "")

    _, output = container.run("--head-port", port_of(gcs), "--", 'echo "<$RAY_HEAD_IP>"', PATH=str(few))

    assert "<localhost>" in output


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


def test_a_followed_file_is_copied_to_stdout_up_to_its_last_line(first_process: Container) -> None:
    log = str(first_process.home / "raylogs")

    status, output = first_process.run(
        "--follow", log, "--", f"echo first &> {log}", f"echo second &>> {log}; (exit 5)"
    )

    assert status == 5
    assert [line for line in output.splitlines() if "rayctl:" not in line] == ["first", "second"]


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


def test_the_kubelet_finds_nothing_to_expand_in_the_script() -> None:
    assert "$(" not in SCRIPT
    assert "$$" not in SCRIPT
