"""Makes a bed's network in the kernel: the host's bridge, and a namespace with a cable to it for each node.

All by iproute2. Every node has a route to every node's pods from the start, so that adding a node changes no
other; the host's forwarding stays as it is, since pods reach each other over the bridge alone.
"""

import subprocess
from collections.abc import Sequence

from e2e.cluster.interface import BedError
from e2e.cluster.layout import Layout
from e2e.cluster.network import MAX_NODES, Subnet
from e2e.cluster.state import Journal, Kind, Resource


def make_bridge(layout: Layout, subnet: Subnet) -> None:
    """Make the host's end of the bed's network; the host's address on it is the subnet's gateway."""
    Journal(layout.journal).add(Resource(Kind.LINK, layout.bridge))
    ip_batch(
        f"link add {layout.bridge} type bridge",
        f"address add {subnet.gateway}/24 dev {layout.bridge}",
        f"link set {layout.bridge} up",
    )


def make_namespace(layout: Layout, subnet: Subnet, node: str, index: int) -> None:
    """Make the network namespace of a node, joined to the bridge, and the host's route to its pods."""
    namespace, cable = layout.namespace(node), cable_of(layout, index)
    journal = Journal(layout.journal)
    journal.add(Resource(Kind.NAMESPACE, namespace))
    journal.add(Resource(Kind.LINK, cable))
    ip_batch(
        f"netns add {namespace}",
        f"link add {cable} type veth peer name eth0 netns {namespace}",
        f"link set {cable} master {layout.bridge} up",
        f"route replace {subnet.pods(index)} via {subnet.node(index)} dev {layout.bridge}",
    )
    others = (n for n in range(1, MAX_NODES + 1) if n != index)
    ip_batch(
        f"address add {subnet.node(index)}/24 dev eth0",
        "link set eth0 up",
        "link set lo up",
        f"route add default via {subnet.gateway}",
        *(f"route add {subnet.pods(n)} via {subnet.node(n)}" for n in others),
        namespace=namespace,
    )
    forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
    _run([*inside(layout, node), "sh", "-c", forward])


def inside(layout: Layout, node: str) -> Sequence[str]:
    """The command line's beginning that runs a program in a node's network.

    Not `ip netns exec`: that mounts a fresh /sys, without the control groups that the kubelet needs.
    """
    return ["nsenter", f"--net=/run/netns/{layout.namespace(node)}"]


def cable_of(layout: Layout, index: int) -> str:
    """The host's end of a node's cable."""
    return f"rv{layout.tag}{index}"


def plug(layout: Layout, index: int, state: str) -> None:
    """Set a node's cable `up` or `down`."""
    ip_batch(f"link set {cable_of(layout, index)} {state}")


def ip_batch(*commands: str, namespace: str | None = None) -> None:
    """Run ip(8) commands in order, in one process; the first that fails ends it with `BedError`."""
    where = ["-netns", namespace] if namespace else []
    _run(["ip", *where, "-batch", "-"], "\n".join(commands) + "\n")


def _run(command: Sequence[str], stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BedError(f"{' '.join(command)} failed: {done.stderr.strip()}\n    its commands: {stdin[:300]}")
