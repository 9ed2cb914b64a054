"""What the test bed needs of the machine, per profile: Debian packages, programs, rights, room.

Everything that is missing is found before anything is built or changed, and named in one error. Packages are
installed where that is possible (Debian's apt-get, as root), after saying so, and without starting the
daemons that come with them.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.commands import CommandError, run_logged
from e2e.cluster.interface import BedError, Profile
from e2e.cluster.layout import cache_directory

_GIB = 1024**3
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_POLICY = Path("/usr/sbin/policy-rc.d")
_WAIT = "--option=DPkg::Lock::Timeout=300"  # another apt-get may be at work
_POLICY_TEXT = (
    "#!/bin/sh\n# Made by rayctl's test bed while it installs packages: no daemon is started.\nexit 101\n"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A file that must be there, and the Debian package that brings it. A bare name is looked up on PATH."""

    name: str
    package: str


NODE_PROGRAMS = (
    Program("containerd", "containerd"),
    Program("runc", "runc"),
    Program("/usr/lib/cni/bridge", "containernetworking-plugins"),
    Program("nft", "nftables"),
    Program("conntrack", "conntrack"),
    Program("iptables", "iptables"),
    Program("ethtool", "ethtool"),
    Program("socat", "socat"),
    Program("ip", "iproute2"),
    Program("nsenter", "util-linux"),
    Program("mmdebstrap", "mmdebstrap"),
    Program("buildah", "buildah"),
    Program("/bin/busybox", "busybox-static"),
    Program("docker-registry", "docker-registry"),
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one profile of the bed needs; `free_bytes` is room on the disk of the cache."""

    programs: tuple[Program, ...]
    root: bool
    free_bytes: int


NEEDS: Mapping[Profile, Needs] = {
    Profile.APISERVER: Needs(programs=(), root=False, free_bytes=4 * _GIB),
    Profile.NODES: Needs(programs=NODE_PROGRAMS, root=True, free_bytes=8 * _GIB),
}


class MissingRequirement(BedError):  # noqa: N818 - it reads as what happened
    """Something that the bed needs is not there. `problems` holds all of it, each with what to do."""

    def __init__(self, profile: Profile, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"this machine cannot run the test bed's profile `{profile}` yet:\n{listed}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(profile: Profile, say: Callable[[str], None] = _say) -> None:
    """Return when this machine can run `profile`, having installed missing Debian packages if it may.

    Raises:
        MissingRequirement: with everything that is missing. Nothing was changed then, unless it was apt-get
            that failed.
    """
    needs = NEEDS[profile]
    problems = [*rights_problems(needs, _mounts(), _capabilities()), *room_problems(needs, cache_directory())]
    missing = missing_programs(needs.programs)
    packages = sorted({program.package for program in missing})
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if missing and not may_install:
        problems.append(install_advice(missing))
    if problems:
        raise MissingRequirement(profile, problems)
    if missing:
        say(f"installing Debian packages, without starting their daemons: {' '.join(packages)}")
        _install(profile, packages)
        if left := missing_programs(needs.programs):
            raise MissingRequirement(
                profile, [f"{p.name} is missing although {p.package} is there" for p in left]
            )


def missing_programs(programs: Sequence[Program]) -> tuple[Program, ...]:
    """Return those of `programs` that are not on PATH (nor, for root's tools, in the sbin folders)."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    return tuple(program for program in programs if shutil.which(program.name, path=path) is None)


def install_advice(missing: Sequence[Program]) -> str:
    """Return one line that names the missing programs and how to get them."""
    names = ", ".join(program.name for program in missing)
    packages = " ".join(sorted({program.package for program in missing}))
    return f"programs: {names}; as root: apt-get install --no-install-recommends {packages}"


def rights_problems(needs: Needs, mounts: str, capabilities: int) -> Iterator[str]:
    """Yield which rights are missing; `mounts` is /proc/mounts, `capabilities` the effective set as bits."""
    if not needs.root:
        return
    if os.geteuid() != 0:
        yield "root: nodes are network namespaces, cgroups and mounts; run it as root (sudo -E make …)"
        return
    for bit, name in ((_CAP_NET_ADMIN, "CAP_NET_ADMIN"), (_CAP_SYS_ADMIN, "CAP_SYS_ADMIN")):
        if not capabilities >> bit & 1:
            yield f"{name}: this container or session lacks it; run a container with --privileged"
    if (problem := cgroup_problem(mounts)) is not None:
        yield problem


def cgroup_problem(mounts: str) -> str | None:
    """Return what is wrong with the cgroup mounts listed in `mounts`, None when kubelets can use them.

    Either one writable cgroup2 at /sys/fs/cgroup, or writable cgroup v1 hierarchies of cpu, memory, pids.
    """
    controllers: set[str] = set()
    for line in mounts.splitlines():
        _, where, kind, options, *_ = line.split()
        flags = options.split(",")
        if "rw" not in flags:
            continue
        if kind == "cgroup2" and where == "/sys/fs/cgroup":
            return None
        if kind == "cgroup":
            controllers.update(flags)
    if absent := sorted({"cpu", "memory", "pids"} - controllers):
        return f"cgroups: no writable hierarchy for {', '.join(absent)} in /proc/mounts; leave the container"
    return None


def room_problems(needs: Needs, folder: Path) -> Iterator[str]:
    """Yield one line when the disk that holds `folder` (which may not exist yet) has too little room."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needs.free_bytes:
        yield (
            f"disk: {free / _GIB:.1f} GiB free at {there}, {needs.free_bytes / _GIB:.0f} GiB needed; "
            "make room or point RAYCTL_CACHE to another disk"
        )


def _install(profile: Profile, packages: Sequence[str]) -> None:
    """Install `packages`; the package lists are fetched only when the ones at hand do not do."""
    log = cache_directory() / "logs" / "apt.log"
    log.unlink(missing_ok=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", _WAIT, "--yes", "--no-install-recommends", *packages)
    try:
        with no_daemons_started(_POLICY):
            try:
                run_logged(install, log, env=environment)
            except CommandError:
                run_logged(("apt-get", "update"), log, env=environment)
                run_logged(install, log, env=environment)
    except CommandError as error:
        raise MissingRequirement(profile, [f"{error}\n    as root: {' '.join(install)}"]) from error


@contextlib.contextmanager
def no_daemons_started(policy: Path) -> Iterator[None]:
    """Keep packages from starting their daemons, by the file `policy` that Debian's invoke-rc.d asks.

    A policy of the machine's own is left alone and obeyed; one that a killed run left behind goes.
    """
    if policy.exists() and policy.read_text() != _POLICY_TEXT:
        yield
        return
    policy.write_text(_POLICY_TEXT)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def _mounts() -> str:
    return Path("/proc/mounts").read_text()


def _capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
