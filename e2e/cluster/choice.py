"""Chooses a provider and opens a cluster of it for as long as a `with` block lasts."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum

from e2e.cluster import k3s
from e2e.cluster.borrowed import open_existing
from e2e.cluster.interface import BedError, Cluster, Profile
from e2e.cluster.lifecycle import InUseError, Wanted, bring_up, held, is_up, take_down
from e2e.cluster.progress import Progress

TEST_NAME = "test"
SIDE_BY_SIDE = 8  # how many unnamed beds may run at once


class Provider(StrEnum):
    """Where a cluster comes from."""

    EXISTING = "existing"
    K3S = "k3s"
    LOCAL = "local"


def choose_provider(asked: str | None, profile: Profile, why_no_k3s: Callable[[], str | None]) -> Provider:
    """The provider that was asked for by name, else the first that can run here.

    Without nodes that is always `local`, which then needs neither root nor Docker and can do more.
    """
    if asked:
        try:
            return Provider(asked)
        except ValueError:
            raise BedError(f"CLUSTER={asked}: no such provider; there are {', '.join(Provider)}") from None
    if profile is Profile.NODES and why_no_k3s() is None:
        return Provider.K3S
    return Provider.LOCAL


@contextmanager
def open_cluster(
    profile: Profile = Profile.NODES,
    nodes: int = 4,
    name: str | None = None,
    *,
    fake_nodes: int = 0,
    recorded: bool = False,
    keep: bool = False,
) -> Iterator[Cluster]:
    """Give a cluster, and remove it afterwards, also when the block fails.

    Args:
        profile: How much of Kubernetes; `nodes` counts for the profile of that name only.
        nodes: Nodes of two CPUs each.
        fake_nodes: Nodes that only pretend to run pods; for the profile without real ones.
        recorded: For a checker of what was written, by whom: bodies in the audit log, JSON in etcd.
            Provider `local` alone can do that.
        name: Of the bed. If it is up already, it is reused and left standing. Without a name it is a new one,
            called by the first of `test`, `test-2`, … that no other run holds.
        keep: Leave a named bed standing.
    """
    with _opened(Wanted(profile, nodes, fake_nodes, recorded), name, keep=keep) as cluster:
        yield cluster


def _opened(wanted: Wanted, name: str | None, *, keep: bool) -> AbstractContextManager[Cluster]:
    match choose_provider(os.environ.get("CLUSTER"), wanted.profile, k3s.why_unavailable):
        case Provider.EXISTING:
            return open_existing()
        case Provider.K3S:
            return k3s.open_k3s()
        case Provider.LOCAL if name:
            return _open_named(name, wanted, keep=keep)
        case Provider.LOCAL:
            return _open_new(wanted)


@contextmanager
def _open_named(name: str, wanted: Wanted, *, keep: bool) -> Iterator[Cluster]:
    progress = Progress()
    with held(name):
        was_up = is_up(name)
        try:
            yield bring_up(name, wanted, progress)
        finally:
            if not (keep or was_up):
                take_down(name, progress)


@contextmanager
def _open_new(wanted: Wanted) -> Iterator[Cluster]:
    progress = Progress(sys.stderr)
    with ExitStack() as stack:
        name = _hold_one_of(_test_names(), stack)
        take_down(name, progress)  # what a killed run left
        try:
            yield bring_up(name, wanted, progress)
        finally:
            take_down(name, progress)


def _test_names() -> list[str]:
    return [TEST_NAME, *(f"{TEST_NAME}-{n}" for n in range(2, SIDE_BY_SIDE + 1))]


def _hold_one_of(names: list[str], stack: ExitStack) -> str:
    for name in names:
        try:
            stack.enter_context(held(name))
        except InUseError:
            continue
        return name
    raise InUseError(f"other runs hold all of these beds: {', '.join(names)}")
