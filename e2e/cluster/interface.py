"""What a test or the demo may ask of a cluster, whichever provider it came from.

Three providers implement this (see :mod:`e2e.cluster.choice`). What one of them cannot do raises
`UnsupportedError`, so that a test can skip by name instead of failing for an unrelated reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # images' errors are ours
    from e2e.cluster.images import ImageRef


class Profile(StrEnum):
    """How much of Kubernetes runs."""

    APISERVER = "apiserver"  # etcd, API server, controller manager, scheduler: no node, no root needed
    NODES = "nodes"  # everything: nodes that run containers, DNS, a registry


class Component(StrEnum):
    """A part of the control plane; the value is the name of its program."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"


class BedError(Exception):
    """The test bed cannot do what it was asked; the message says what, where and what to do."""


class UnsupportedError(BedError):
    """This provider has no way to do that (an existing cluster's nodes are not ours to stop)."""


class Cluster(Protocol):
    """A running Kubernetes cluster."""

    @property
    def name(self) -> str:
        """The bed's name: part of its directories, namespaces and kubeconfig context."""

    @property
    def namespace(self) -> str:
        """Where a test may create what it likes; emptied with the cluster."""

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of an administrator, good until the cluster is closed."""

    @property
    def environment(self) -> Mapping[str, str]:
        """KUBECONFIG and a PATH that has this cluster's kubectl first: for child processes."""

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> CompletedProcess[str]:
        """Run kubectl as the administrator; output is captured; `check` raises `BedError` with its words."""

    def push_image(self, image: ImageRef) -> str:
        """Make a built image pullable by all nodes; return the name to put into a pod."""

    def nodes(self) -> tuple[str, ...]:
        """Names of the Kubernetes nodes that the API server knows, sorted."""

    def add_node(self) -> str:
        """Start one more node; returns its name when it is Ready."""

    def stop_node(self, node: str) -> None:
        """Stop the node's agents in order (kubelet, kube-proxy, containerd); its containers die too."""

    def start_node(self, node: str) -> None:
        """Start a stopped or killed node again; returns when it is Ready."""

    def kill_node(self, node: str) -> None:
        """Kill every process of the node at once, as a power cut would."""

    def cut_node(self, node: str) -> None:
        """Pull the node's network cable; all processes keep running."""

    def heal_node(self, node: str) -> None:
        """Plug the cable in again; returns when the node is Ready."""

    def stop(self, component: Component) -> None:
        """Stop a part of the control plane; returns when it is gone."""

    def start(self, component: Component) -> None:
        """Start a part of the control plane; returns when it answers."""

    def restart(self, component: Component) -> None:
        """Stop, then start."""

    def gather(self, into: Path) -> None:
        """Write pods, Events, container logs and component logs below `into`, for a failed test."""
