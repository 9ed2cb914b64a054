"""Makes and removes local beds: what is there is reused when healthy and replaced when not."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from e2e.cluster import kernel_settings, requirements
from e2e.cluster.binaries import CONTROL_PLANE_PROGRAMS, NODE_PROGRAMS, ensure_programs
from e2e.cluster.controlplane import PORTS
from e2e.cluster.fake_nodes import PROGRAM as KWOK
from e2e.cluster.interface import BedError, Profile
from e2e.cluster.layout import Layout, beds_directory
from e2e.cluster.local import LocalCluster
from e2e.cluster.network import free_ports, free_subnet, routed_networks
from e2e.cluster.platform_services import REGISTRY
from e2e.cluster.progress import Progress
from e2e.cluster.state import Facts, find_facts, write_facts
from e2e.cluster.sweep import has_leftovers, remove_bed


class InUseError(BedError):
    """Another run holds the bed."""


@contextmanager
def held(name: str) -> Iterator[None]:
    """Hold a bed's lock, which the kernel frees when its holder dies; raises where another run holds it."""
    with _opened(Layout.of(name).lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUseError(
                f"bed {name!r} is in use by process {file.read() or '?'}; take another name"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _opened(lock: Path, mode: str) -> IO[str]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    return lock.open(mode)


@contextmanager
def _choosing() -> Iterator[None]:
    """One bed at a time chooses its subnet and ports, so that two never choose the same."""
    with _opened(beds_directory() / ".choosing.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_bed(name: str) -> LocalCluster | None:
    """The bed of that name as far as it was made, or None."""
    layout = Layout.of(name)
    facts = find_facts(layout.facts)
    return LocalCluster(layout, facts) if facts else None


def is_up(name: str) -> bool:
    """Whether the bed of that name runs and answers."""
    cluster = find_bed(name)
    return cluster is not None and cluster.is_healthy()


def bed_names() -> tuple[str, ...]:
    """All beds of this user, running or not."""
    return tuple(sorted(path.parent.name for path in beds_directory().glob("*/bed.json")))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bed is to have at least; `nodes` is for profile NODES, `fake_nodes` for APISERVER.

    `recorded`: its audit log has bodies, and its etcd can be read.
    """

    profile: Profile
    nodes: int = 4
    fake_nodes: int = 0
    recorded: bool = False

    def programs(self) -> tuple[str, ...]:
        """The programs of Kubernetes that it takes."""
        real = NODE_PROGRAMS if self.profile is Profile.NODES else ()
        return (*CONTROL_PLANE_PROGRAMS, *real, *([KWOK] if self.fake_nodes else []))


def bring_up(name: str, wanted: Wanted, progress: Progress) -> LocalCluster:
    """Return the running bed of that name, made if need be. The caller holds its lock."""
    layout = Layout.of(name)
    existing = find_bed(name)
    if existing and existing.is_healthy():
        if existing.profile is not wanted.profile or existing.recorded < wanted.recorded:
            raise BedError(
                f"bed {name!r} is up with profile {existing.profile}, not {wanted.profile}, or is not "
                f"recorded as wanted: take it down first, or use another --name"
            )
        progress.say(f"bed {name!r} is up: reused")
    else:
        requirements.ensure(wanted.profile, progress.say)
        binaries = ensure_programs(wanted.programs(), progress)
        if has_leftovers(layout):
            with progress.step("remove what an earlier run left"):
                remove_bed(layout)
        existing = LocalCluster(layout, _choose_facts(layout, name, wanted, binaries))
        existing.begin(progress)
    existing.have_nodes(wanted.nodes, progress)
    existing.have_fake_nodes(wanted.fake_nodes, progress)
    return existing


def _choose_facts(layout: Layout, name: str, wanted: Wanted, binaries: Path) -> Facts:
    with _choosing():
        others = [facts for other in bed_names() if (facts := find_facts(Layout.of(other).facts))]
        subnet = ""
        if wanted.profile is Profile.NODES:
            subnet = free_subnet([*routed_networks(), *(facts.subnet for facts in others if facts.subnet)])
        listeners = (*PORTS, REGISTRY)
        ports = free_ports(len(listeners), [port for facts in others for port in facts.ports.values()])
        facts = Facts(
            name,
            wanted.profile,
            subnet,
            dict(zip(listeners, ports, strict=True)),
            str(binaries),
            wanted.recorded,
        )
        if wanted.profile is Profile.NODES:
            kernel_settings.remember(beds_directory())
        write_facts(layout.facts, facts)
    return facts


def take_down(name: str, progress: Progress) -> None:
    """Remove the bed and all that is left of it. The caller holds its lock."""
    layout = Layout.of(name)
    if not has_leftovers(layout):
        return
    with progress.step(f"remove bed {name!r}"):
        remove_bed(layout)
    with _choosing():
        left = [bed for bed in map(find_bed, bed_names()) if bed and bed.profile is Profile.NODES]
        if not left:
            kernel_settings.restore(beds_directory())
