"""One node of a local bed: a network namespace with a containerd, kubelet, kube-proxy and cgroup of its own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import cgroup, network_setup, process, sweep
from e2e.cluster.certificates import Authority, Identity
from e2e.cluster.interface import BedError
from e2e.cluster.layout import Layout
from e2e.cluster.network import Subnet
from e2e.cluster.node_config import NodePaths, containerd_config, kubelet_config, network_config
from e2e.cluster.state import Facts, Journal, Kind, Resource

CONTAINERD_SECONDS = 30
PREFIX = "node"


def index_of(name: str) -> int:
    """The number in a node's name; raises where it is none of ours."""
    number = name.removeprefix(PREFIX)
    if not number.isdigit() or name == number:
        raise BedError(f"{name!r} is no node of this bed; they are called {PREFIX}1, {PREFIX}2, …")
    return int(number)


class Node:
    """Makes, starts, stops and loses one node; whether it is Ready, only the API server knows."""

    def __init__(self, layout: Layout, facts: Facts, index: int) -> None:
        self._layout = layout
        self._facts = facts
        self._index = index
        self._subnet = Subnet(facts.subnet)
        self.name = f"{PREFIX}{index}"
        self._paths = NodePaths(layout.node(self.name), layout.stores / self.name)
        self._cgroup = f"rayctl-{layout.tag}-{self.name}"

    @property
    def exists(self) -> bool:
        """Whether it was made, running or not."""
        return self._paths.root.exists()

    def make(self, authority: Authority, server: str, mirrors: Path) -> None:
        """Make its directory, files, network and control group; nothing runs yet."""
        layout, paths = self._layout, self._paths
        for directory in (paths.network_config, paths.pod_logs):
            directory.mkdir(parents=True)
        context = f"rayctl-{self._facts.name}"
        address = self._subnet.node(self._index)
        identity = Identity(f"system:node:{self.name}", "system:nodes", (address, self.name))
        authority.write_kubeconfig(layout.kubeconfig_of(self.name), server, context, identity)
        proxy = Identity("system:kube-proxy")
        authority.write_kubeconfig(layout.kubeconfig_of(f"proxy-{self.name}"), server, context, proxy)
        paths.containerd_config.write_text(containerd_config(paths, mirrors))
        cni = network_config(f"rayctl-{layout.tag}", paths, self._subnet.pods(self._index))
        (paths.network_config / "10-bed.conflist").write_text(cni)
        paths.kubelet_config.write_text(
            kubelet_config(paths, layout.keys, self.name, self._subnet.dns, self._cgroup)
        )
        network_setup.make_namespace(layout, self._subnet, self.name, self._index)
        Journal(layout.journal).add(Resource(Kind.CGROUP, self._cgroup))
        cgroup.make(self._cgroup)

    def start(self) -> None:
        """Start its agents; containerd first, and the kubelet only when that answers."""
        containerd = self._run("containerd", ["containerd", f"--config={self._paths.containerd_config}"])
        process.wait_until(
            self._paths.socket.is_socket,
            f"containerd of {self.name} listens",
            CONTAINERD_SECONDS,
            containerd,
            self._layout.logs / f"containerd-{self.name}.log",
        )
        self._run("kubelet", self._kubelet())
        self._run("kube-proxy", self._kube_proxy())

    def tend(self) -> None:
        """Start the kubelet again where it has ended, as an init system would.

        The path of its device plugins' socket is fixed, and two kubelets of one machine that start in the
        same moment fight for it: one of them ends.
        """
        kubelet = Journal(self._layout.journal).find_process(f"kubelet-{self.name}")
        if kubelet is not None and not process.is_alive(kubelet):
            self._run("kubelet", self._kubelet())

    def stop(self) -> None:
        """End its agents in order, then its containers, as a shutdown does."""
        for agent in ("kubelet", "kube-proxy", "containerd"):
            running = Journal(self._layout.journal).find_process(f"{agent}-{self.name}")
            if running is not None:
                process.end([running])
        self.kill()

    def kill(self) -> None:
        """Kill every process of the node at once, and forget what a reboot forgets."""
        journal = Journal(self._layout.journal).resources()
        agents = [r for r in journal if r.kind is Kind.PROCESS and r.name.endswith(f"-{self.name}")]
        process.end([*agents, *self._shims(), *sweep.members([self._cgroup])], seconds=0)
        process.end([*self._shims(), *sweep.members([self._cgroup])], seconds=0)
        sweep.forget_containers([self._paths.containerd_state])
        sweep.unmount_below(self._paths.root)
        for forgotten in (self._paths.containerd_state, self._paths.leases):
            shutil.rmtree(forgotten, ignore_errors=True)
        self._paths.socket.unlink(missing_ok=True)

    def cut(self) -> None:
        """Pull the cable."""
        network_setup.plug(self._layout, self._index, "down")

    def heal(self) -> None:
        """Plug the cable in."""
        network_setup.plug(self._layout, self._index, "up")

    def _shims(self) -> Sequence[Resource]:
        """Containers' supervisors, which outlive containerd; each has the node's socket on its command line."""
        socket = str(self._paths.socket).encode()
        return [r for r in process.marked_processes(self._layout) if socket in process.command_line(r.pid)]

    def _run(self, agent: str, command: Sequence[str]) -> Resource:
        inside = network_setup.inside(self._layout, self.name)
        return process.start(self._layout, f"{agent}-{self.name}", [*inside, *command])

    def _kubelet(self) -> Sequence[str]:
        return [
            str(Path(self._facts.binaries) / "kubelet"),
            f"--config={self._paths.kubelet_config}",
            f"--kubeconfig={self._layout.kubeconfig_of(self.name)}",
            f"--hostname-override={self.name}",
            f"--node-ip={self._subnet.node(self._index)}",
            f"--root-dir={self._paths.kubelet_root}",
            f"--cert-dir={self._paths.kubelet_root / 'pki'}",
            "--v=2",
        ]

    def _kube_proxy(self) -> Sequence[str]:
        return [
            str(Path(self._facts.binaries) / "kube-proxy"),
            f"--kubeconfig={self._layout.kubeconfig_of(f'proxy-{self.name}')}",
            f"--hostname-override={self.name}",
            f"--cluster-cidr={self._facts.subnet}",
            "--proxy-mode=nftables",
            # Connection tracking's limits are the machine's: leave them as they are.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        ]
