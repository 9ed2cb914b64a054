"""A bed's addresses: a free subnet, free ports, and how the subnet is divided.

One /16 a bed: x.y.0.0/24 are the nodes (the host is .1), x.y.N.0/24 the pods of the N-th node,
x.y.240.0/20 the Services. All addresses of a bed lie in it, so that two beds cannot meet.
"""

import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from e2e.cluster.interface import BedError

MAX_NODES = 100
# Below the range from which the kernel takes outgoing connections' ports: nobody takes ours by chance.
PORTS = range(20000, 32000)
# Private ranges that are seldom used whole, then the one kept for benchmarks (RFC 2544).
CANDIDATES = (
    *(f"10.{n}.0.0/16" for n in range(201, 251)),
    *(f"172.{n}.0.0/16" for n in range(20, 32)),
    "198.18.0.0/16",
    "198.19.0.0/16",
)


@dataclass(frozen=True, slots=True)
class Subnet:
    """How a bed's /16 is used; all answers are addresses or ranges as text."""

    range: str

    def _address(self, offset: int) -> str:
        return str(ipaddress.IPv4Network(self.range)[offset])

    @property
    def gateway(self) -> str:
        """The host's address on the bridge; the control plane and the registry listen there."""
        return self._address(1)

    @property
    def services(self) -> str:
        """Cluster IPs."""
        return f"{self._address(240 << 8)}/20"

    @property
    def first_service(self) -> str:
        """The cluster IP of the API server, which Kubernetes fixes."""
        return self._address((240 << 8) + 1)

    @property
    def dns(self) -> str:
        """The cluster IP of the cluster's DNS."""
        return self._address((240 << 8) + 10)

    def node(self, index: int) -> str:
        """The address of node number `index` (1 to MAX_NODES)."""
        return self._address(10 + index)

    def pods(self, index: int) -> str:
        """The range of the pods of node number `index`."""
        return f"{self._address(index << 8)}/24"


def free_subnet(taken: Iterable[str]) -> str:
    """The first candidate that overlaps none of `taken` (ranges or addresses as text)."""
    networks = [ipaddress.IPv4Network(text, strict=False) for text in taken]
    for candidate in CANDIDATES:
        if not any(ipaddress.IPv4Network(candidate).overlaps(network) for network in networks):
            return candidate
    raise BedError(
        f"none of {CANDIDATES[0]} … {CANDIDATES[-1]} is free on this machine; `ip route` shows who uses them"
    )


def routed_networks() -> tuple[str, ...]:
    """What the host has routes to, the default route left out."""
    shown = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "table", "all"], check=True, capture_output=True, text=True
    )
    destinations = (str(route["dst"]) for route in json.loads(shown.stdout))
    return tuple(d for d in destinations if d != "default" and d[0].isdigit())


def free_ports(count: int, taken: Iterable[int]) -> tuple[int, ...]:
    """Ports that nobody listens on and that are in none of the other beds' books."""
    avoid = set(taken)
    found: list[int] = []
    for port in PORTS:
        if len(found) == count:
            break
        if port not in avoid and _is_free(port):
            found.append(port)
    else:
        raise BedError(f"fewer than {count} free ports between {PORTS[0]} and {PORTS[-1]}")
    return tuple(found)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
