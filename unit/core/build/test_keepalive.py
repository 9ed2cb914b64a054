import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.core.build.keepalive import OwnCommand, before_keepalive


@pytest.mark.parametrize(
    ("script", "before"),
    [
        pytest.param("trap : TERM INT; sleep infinity & wait;", "trap : TERM INT; ", id="Ray 1.1 to 1.6"),
        pytest.param(
            "trap : TERM INT; touch /tmp/raylogs; tail -f /tmp/raylogs; sleep infinity & wait;",
            "trap : TERM INT; touch /tmp/raylogs; ",
            id="Ray 1.7 to 1.13",
        ),
        pytest.param("ldconfig\nsleep infinity", "ldconfig\n", id="a line of its own"),
        pytest.param("a && b && exec sleep inf", "a && b && ", id="after &&, with exec"),
        pytest.param("a || tail --follow=name x", "a || ", id="after ||"),
        pytest.param("a; /bin/sleep 365d", "a; ", id="a year"),
        pytest.param("a; sleep 86400", "a; ", id="a day in seconds"),
        pytest.param("a; while true; do sleep 10; done", "a; ", id="an endless loop"),
        pytest.param("a; while :; do b; sleep 1; done; c", "a; ", id="what follows an endless loop"),
        pytest.param("a 2>&1 | tee x; b &> y; tail -F y", "a 2>&1 | tee x; b &> y; ", id="redirections"),
        pytest.param("echo '; sleep infinity'; tail -f x", "echo '; sleep infinity'; ", id="quoted text"),
        pytest.param("a # sleep infinity\nsleep infinity", "a # sleep infinity\n", id="a comment"),
        pytest.param("if a; then b; fi; sleep infinity", "if a; then b; fi; ", id="after a block"),
        pytest.param(
            "(cd x; make); f() { b; }; sleep infinity", "(cd x; make); f() { b; }; ", id="functions"
        ),
        pytest.param("x=$(sleep 1; date); sleep infinity", "x=$(sleep 1; date); ", id="a substitution"),
        pytest.param(
            "tail -f x & ldconfig; sleep infinity", "tail -f x & ldconfig; ", id="a tail in the back"
        ),
        pytest.param("a \\\n  -b; sleep infinity", "a \\\n  -b; ", id="a continued line"),
    ],
)
def test_a_script_is_kept_up_to_its_keepalive(script: str, before: str) -> None:
    argv = ("/bin/bash", "-c", "--", script)

    assert before_keepalive(argv) == OwnCommand(("/bin/bash", "-c", "--", f"{before}exit 0"), ends=True)
    subprocess.run(["bash", "-n", "-c", f"{before}exit 0"], check=True)


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param((), id="no command"),
        pytest.param(("sleep", "infinity"), id="a program that sleeps"),
        pytest.param(("/usr/bin/tail", "-f", "/dev/null"), id="a tail"),
        pytest.param(("sh", "-c", "sleep infinity"), id="a shell that only sleeps"),
        pytest.param(("bash", "-lc", "exec tail -f /dev/null"), id="with more options"),
        pytest.param(("bash", "-c", "while true; do sleep 30; done"), id="a loop alone"),
    ],
)
def test_nothing_is_to_be_run_of(argv: tuple[str, ...]) -> None:
    assert before_keepalive(argv) is None


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(("/start.sh", "--now"), id="a program that nobody knows"),
        pytest.param(("bash", "/start.sh"), id="a script in a file"),
        pytest.param(("bash", "-c", "ldconfig"), id="a script without a keep-alive"),
        pytest.param(("bash", "-c", "sleep 5; ldconfig"), id="a short sleep"),
        pytest.param(("bash", "-c", "if a; then sleep infinity; fi"), id="a keep-alive in a block"),
        pytest.param(("bash", "-c", "while true; do a && break; sleep 1; done"), id="a loop that waits"),
        pytest.param(("bash", "-c", "until a; do sleep 1; done"), id="a loop with an end"),
        pytest.param(("bash", "-c", "cat <<X\nsleep infinity\nX\n"), id="a here-document"),
        pytest.param(("bash", "-c", "echo 'open; sleep infinity"), id="an open quote"),
        pytest.param(("bash", "-c", "sleep infinity & make"), id="a sleep in the background"),
        pytest.param(("bash", "-c"), id="a shell without its script"),
        pytest.param(("bash",), id="a shell alone"),
    ],
)
def test_the_whole_command_is_kept_where_its_end_is_not_known(argv: tuple[str, ...]) -> None:
    assert before_keepalive(argv) == OwnCommand(argv, ends=False)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_command_can_be_read(words: list[str]) -> None:
    before_keepalive(tuple(words))
    before_keepalive(("bash", "-c", *words))


@given(st.lists(st.sampled_from([*"abc'\"\\\n ;&|(){}#$<>", "if ", "fi ", "do ", "done "]), max_size=30))
def test_a_cut_leaves_no_quote_or_block_open(parts: list[str]) -> None:
    script = "".join(parts)
    if subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).returncode:
        return  # no script in the first place

    kept = before_keepalive(("bash", "-c", f"{script}\nsleep infinity"))

    if kept is not None and kept.ends:
        subprocess.run(["bash", "-n", "-c", kept.argv[2]], check=True)
