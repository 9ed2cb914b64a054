"""How the script starts Ray: the commands, one by one, and what they wait for."""

import shutil
import signal
import socket
from pathlib import Path

import pytest

from rayctl.core.build.entrypoint import SCRIPT
from unit.core.build.container import Container, port_of


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


def test_a_followed_file_is_copied_to_stdout_up_to_its_last_line(first_process: Container) -> None:
    log = str(first_process.home / "raylogs")

    status, output = first_process.run(
        "--follow", log, "--", f"echo first &> {log}", f"echo second &>> {log}; (exit 5)"
    )

    assert status == 5
    assert [line for line in output.splitlines() if "rayctl:" not in line] == ["first", "second"]


def test_the_kubelet_finds_nothing_to_expand_in_the_script() -> None:
    assert "$(" not in SCRIPT
    assert "$$" not in SCRIPT
