"""What the bed finds missing on a machine, and that it names all of it at once."""

import os
import subprocess
from pathlib import Path

import pytest

from e2e.cluster import requirements
from e2e.cluster.interface import Profile
from e2e.cluster.requirements import (
    NEEDS,
    MissingRequirement,
    Needs,
    Program,
    cgroup_problem,
    ensure,
    install_advice,
    missing_programs,
    no_daemons_started,
    rights_problems,
    room_problems,
)

_V1 = "\n".join(
    f"cgroup /sys/fs/cgroup/{name} cgroup rw,relatime,{name} 0 0" for name in ("cpu", "memory", "pids")
)


@pytest.mark.parametrize(
    ("mounts", "problem"),
    [
        pytest.param("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0", None, id="version 2"),
        pytest.param(_V1, None, id="version 1"),
        pytest.param("cgroup2 /sys/fs/cgroup cgroup2 ro,nosuid 0 0", "cpu, memory, pids", id="read-only"),
        pytest.param(
            _V1.replace("rw,relatime,memory", "ro,relatime,memory"), "for memory in", id="one read-only"
        ),
        pytest.param(
            "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0",
            "cpu, memory, pids",
            id="version 2 beside nothing",
        ),
    ],
)
def test_kubelets_need_cgroups_that_can_be_written(mounts: str, problem: str | None) -> None:
    found = cgroup_problem(mounts)

    assert found is None if problem is None else found is not None and problem in found


def test_lacking_rights_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    only_net_admin = 1 << 12

    problems = list(rights_problems(NEEDS[Profile.NODES], "", only_net_admin))

    assert [problem.partition(":")[0] for problem in problems] == ["CAP_SYS_ADMIN", "cgroups"]


def test_an_ordinary_user_is_told_of_root_and_of_nothing_that_root_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    problems = list(rights_problems(NEEDS[Profile.NODES], "", 0))

    assert len(problems) == 1
    assert problems[0].startswith("root: ")


def test_the_api_server_alone_needs_no_rights() -> None:
    assert list(rights_problems(NEEDS[Profile.APISERVER], "", 0)) == []


def test_a_full_disk_is_named_with_what_it_has_and_what_is_needed(tmp_path: Path) -> None:
    needs = Needs(programs=(), root=False, free_bytes=1 << 60)

    (problem,) = room_problems(needs, tmp_path / "not" / "there" / "yet")

    assert str(tmp_path) in problem
    assert "needed" in problem


def test_a_program_counts_as_missing_when_no_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "here"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    missing = missing_programs(
        (Program("here", "a"), Program(str(there), "b"), Program("nowhere-at-all", "c"))
    )

    assert missing == (Program("nowhere-at-all", "c"),)


def test_the_advice_names_each_package_once() -> None:
    advice = install_advice((Program("x", "tools"), Program("y", "tools"), Program("z", "more")))

    assert advice == "programs: x, y, z; as root: apt-get install --no-install-recommends more tools"


def test_all_that_is_missing_is_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = Needs(programs=(Program("nowhere-at-all", "nothing"),), root=True, free_bytes=1 << 60)
    monkeypatch.setattr(requirements, "NEEDS", {Profile.NODES: needs})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(MissingRequirement) as error:
        ensure(Profile.NODES)

    assert [problem.partition(":")[0] for problem in error.value.problems] == ["root", "disk", "programs"]
    assert all(problem in str(error.value) for problem in error.value.problems)


def test_while_packages_are_installed_no_daemon_may_start(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"

    with no_daemons_started(policy):
        answer = subprocess.run([policy, "containerd", "start"], check=False).returncode

    assert answer == 101
    assert not policy.exists()


def test_what_a_killed_run_left_in_the_policys_place_goes(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_daemons_started(policy):
        left = policy.read_text()
    policy.write_text(left)

    with no_daemons_started(policy):
        pass

    assert not policy.exists()


def test_a_policy_of_the_machines_own_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")

    with no_daemons_started(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"

    assert policy.exists()
