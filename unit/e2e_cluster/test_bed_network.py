"""How a bed divides its subnet, and how it avoids what others use."""

import ipaddress
import socket

import pytest

from e2e.cluster.interface import BedError
from e2e.cluster.network import CANDIDATES, MAX_NODES, PORTS, Subnet, free_ports, free_subnet


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param([], "10.201.0.0/16", id="nothing is taken: the first"),
        pytest.param(
            ["10.201.0.0/16", "10.202.7.0/24"], "10.203.0.0/16", id="a part of a range counts as taken"
        ),
        pytest.param(["10.201.3.4"], "10.202.0.0/16", id="one address counts as well"),
        pytest.param(["10.0.0.0/8"], "172.20.0.0/16", id="a network over all of 10/8: the next family"),
        pytest.param(["10.0.0.0/8", "172.16.0.0/12"], "198.18.0.0/16", id="both private families are taken"),
        pytest.param(["192.168.1.0/24", "169.254.0.0/16"], "10.201.0.0/16", id="strangers do not matter"),
    ],
)
def test_the_first_subnet_that_overlaps_nothing_is_taken(taken: list[str], expected: str) -> None:
    assert free_subnet(taken) == expected


def test_a_machine_without_a_free_range_is_told_so() -> None:
    with pytest.raises(BedError, match="ip route"):
        free_subnet(["0.0.0.0/0"])


@pytest.mark.parametrize("candidate", [CANDIDATES[0], CANDIDATES[-1]])
def test_no_address_of_a_bed_is_used_twice_and_all_lie_in_its_subnet(candidate: str) -> None:
    subnet = Subnet(candidate)
    nodes = [subnet.node(n) for n in range(1, MAX_NODES + 1)]
    pods = [ipaddress.IPv4Network(subnet.pods(n)) for n in range(1, MAX_NODES + 1)]
    services = ipaddress.IPv4Network(subnet.services)
    hosts = ipaddress.IPv4Network(f"{subnet.gateway}/24", strict=False)

    ranges = [hosts, *pods, services]

    assert len({*nodes, subnet.gateway}) == MAX_NODES + 1
    assert all(ipaddress.IPv4Address(address) in hosts for address in nodes)
    assert list(ipaddress.collapse_addresses(ranges)) != []
    assert sum(r.num_addresses for r in ranges) == sum(
        r.num_addresses for r in ipaddress.collapse_addresses(ranges)
    )
    assert all(r.subnet_of(ipaddress.IPv4Network(candidate)) for r in ranges)
    assert ipaddress.IPv4Address(subnet.dns) in services
    assert subnet.first_service == str(services[1])


def test_ports_in_use_or_in_other_beds_books_are_left_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_ports(1, [])[0]))
        used = listener.getsockname()[1]
        booked = [port for port in PORTS if port < used + 3]

        found = free_ports(2, booked[:-1])

    assert used not in found
    assert not set(found) & set(booked[:-1])
    assert len(set(found)) == 2
