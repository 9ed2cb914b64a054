"""Operators that are measured beside each other, behind one face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec

from bench import floor, kuberay, small_clusters
from bench.stage import OPERATED, Plane
from e2e.cluster.progress import Progress
from e2e.operator_process import SERVICE_ACCOUNT, operators
from rayctl.api.document import Document
from rayctl.kube.decode import Meta, Wire
from rayctl.kube.resource import RAYCLUSTERS, Resource

Run: TypeAlias = Callable[[], AbstractContextManager[int]]
"""Runs an operator and yields its process ID."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An operator, and how a RayCluster is asked of it."""

    name: str
    user: str
    """Whom the API server takes it for."""
    resource: Resource
    document: Callable[[str], Document]
    """The RayCluster of that name, with a head and three workers."""
    install: Callable[[Plane], Run]


class _Condition(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, frozen=True, gc=False):
    phase: str = ""
    state: str = ""
    conditions: list[_Condition] | None = None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A pod, or a RayCluster of either kind."""

    metadata: Meta = Meta()
    status: _Status | None = None

    @property
    def resource_version(self) -> int:
        """The object's version."""
        return self.metadata.version

    @property
    def is_ready(self) -> bool:
        """Whether the pod is ready, or the RayCluster by the word of its operator."""
        status = self.status or _Status()
        if status.state == "ready":  # KubeRay's
            return True
        if status.phase != "Running":
            return False
        ready = [one.status for one in status.conditions or () if one.type == "Ready"]
        return ready in ([], ["True"])


_decoder = msgspec.json.Decoder(Seen)


def decode(wire: Wire) -> Seen:
    """Return the record of an object as the API sends it."""
    return _decoder.decode(wire)


def kuberays() -> list[Contender]:
    """Return KubeRay as it is shipped, and with its limits raised; build it if need be."""
    program = kuberay.ensure_kuberay(Progress())

    def contender(name: str, flags: Sequence[str]) -> Contender:
        def install(plane: Plane) -> Run:
            kubeconfig = program.install(plane.cluster, plane.folder)
            return partial(program.running, kubeconfig, plane.folder / "kuberay.log", flags)

        return Contender(name, kuberay.user(), kuberay.RAYCLUSTERS, kuberay.document, install)

    return [contender(f"KubeRay {kuberay.VERSION}", ()), contender("tuned", kuberay.TUNED)]


def _install(plane: Plane) -> Run:
    return partial(_running, plane.kubeconfig, plane.folder)


@contextmanager
def _running(kubeconfig: Path, folder: Path) -> Iterator[int]:
    with operators(kubeconfig, folder, await_leader=False) as running:
        yield running[0].pid


_USER = f"system:serviceaccount:{OPERATED}:{SERVICE_ACCOUNT}"
RAYCTL = Contender("rayctl", _USER, RAYCLUSTERS, small_clusters.document, _install)
FLOOR = Contender(
    "floor",
    _USER,
    RAYCLUSTERS,
    small_clusters.document,
    lambda plane: partial(floor.running, plane.kubeconfig, OPERATED),
)
"""What no operator can be quicker than (:mod:`bench.floor`)."""
