"""What a round happens on: a bed, how much there may be in it at once, and how long things take there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from e2e.cluster import Cluster, Profile, open_cluster
from e2e.cluster.image_recipes import RAY_TAGS, Kind
from e2e.cluster.images import ensure
from e2e.cluster.interface import UnsupportedError
from e2e.cluster.local import LocalCluster
from e2e.faults.workload import Size
from e2e.namespace import ESTABLISHED
from e2e.terminal import REPOSITORY

_FAKE_NODES = 5
_NODES = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """One kind of bed, and what suits it. Times are seconds."""

    open: Callable[[], AbstractContextManager[LocalCluster]]
    """Gives a control plane that is recorded, with nodes and our CRD."""
    size: Size
    faults_a_round: int
    between_faults: tuple[float, float]
    between_deeds: tuple[float, float]
    begin_within: float
    """The clusters that nobody touches are as they should be."""
    quiet_within: float
    """All is as it should be after the last fault."""
    is_played: bool
    """Whether nobody runs the pods."""


@contextmanager
def _fake() -> Iterator[LocalCluster]:
    with open_cluster(Profile.APISERVER, fake_nodes=_FAKE_NODES, recorded=True) as bed:
        yield _prepared(bed)


@contextmanager
def _real() -> Iterator[LocalCluster]:
    with open_cluster(Profile.NODES, nodes=_NODES, recorded=True) as bed:
        bed.push_image(ensure(Kind.RAY))
        yield _prepared(bed)


def _prepared(bed: Cluster) -> LocalCluster:
    if not isinstance(bed, LocalCluster):
        raise UnsupportedError("faults need a bed of their own: unset CLUSTER")
    os.environ |= bed.mark  # before the first replica: they are forked from one process, which has it then
    bed.kubectl("apply", "-f", str(REPOSITORY / "crd" / "raycluster.yaml"))
    bed.kubectl(*ESTABLISHED)
    return bed


FAKE = Ground(
    open=_fake,
    size=Size(
        steady={"steady-0": 1, "steady-1": 3},
        clusters=6,
        workers=5,
        workers_of_b=1,
        images=tuple(f"ray:{number}" for number in range(1, 10)),
        requests={"cpu": "10m", "memory": "16Mi"},
    ),
    faults_a_round=300,
    between_faults=(0.02, 0.42),
    between_deeds=(0.1, 0.8),
    begin_within=120.0,
    # A watch that was cut again and again is tried at most half a minute apart, and two in a row can fail.
    quiet_within=90.0,
    is_played=True,
)
"""KWOK plays the kubelets of all nodes: for volume."""

REAL = Ground(
    open=_real,
    size=Size(
        steady={"steady-0": 1},
        clusters=2,
        workers=2,
        workers_of_b=0,
        images=tuple(f"rayproject/ray:{tag}" for tag in RAY_TAGS),
        requests={"cpu": "300m", "memory": "512Mi"},
    ),
    faults_a_round=60,
    between_faults=(0.5, 4.0),
    between_deeds=(2.0, 10.0),
    begin_within=300.0,
    # Pods that kept ending are made again more and more slowly, and Ray takes its time to start.
    quiet_within=600.0,
    is_played=False,
)
"""Kubelets, containers and Ray: that what the fake ones are taken for is so."""
