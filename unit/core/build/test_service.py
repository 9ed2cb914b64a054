import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.raycluster import RayCluster, ServicePort
from rayctl.core.build.service import head_service, service_fingerprint, service_ports
from unit.builders import a_cluster


def ports_of(*ports: tuple[str, int], head_port: int | None = None) -> list[str]:
    start = None if head_port is None else (f"ray start --head --port={head_port}",)
    given = tuple(ServicePort(name, number, number) for name, number in ports)
    cluster = a_cluster(service_ports=given, head_start_commands=start)
    return [f"{port.name} {port.port}" for port in service_ports(cluster)]


DEFAULTS = ["client 10001", "dashboard 8265", "ray-serve 8000", "gcs 6379", "metrics 8080"]


@pytest.mark.parametrize(
    ("ports", "result"),
    [
        pytest.param((), DEFAULTS, id="the defaults, then ours"),
        pytest.param((("client", 10002),), ["client 10002", *DEFAULTS[1:]], id="by name, in its place"),
        pytest.param((("more", 1),), [*DEFAULTS[:3], "more 1", *DEFAULTS[3:]], id="a new one comes after"),
        pytest.param((("redis", 6379),), [*DEFAULTS[:3], "redis 6379", "metrics 8080"], id="ours yields"),
        pytest.param(
            (("gcs", 9),),
            [*DEFAULTS[:3], "gcs 9", "ray-gcs 6379", "metrics 8080"],
            id="the GCS stays within reach under another name",
        ),
        pytest.param((("web", 8000),), [*DEFAULTS[:2], "web 8000", *DEFAULTS[3:]], id="a default yields"),
    ],
)
def test_the_ports_are(ports: tuple[tuple[str, int], ...], result: list[str]) -> None:
    assert ports_of(*ports) == result


def test_the_gcs_has_the_port_that_the_head_is_started_with() -> None:
    assert "gcs 6380" in ports_of(head_port=6380)


@given(
    st.lists(
        st.tuples(st.sampled_from(["client", "gcs", "metrics", "x", "y"]), st.sampled_from([1, 6379, 8000]))
    )
)
def test_our_ports_never_repeat_a_name_or_a_users_number(given_ports: list[tuple[str, int]]) -> None:
    users = dict(given_ports)

    result = [line.split() for line in ports_of(*given_ports)]

    names = [name for name, _ in result]
    assert len(names) == len(set(names))
    assert users.keys() <= set(names)
    assert not [name for name, port in result if name not in users and int(port) in users.values()]
    assert "6379" in [port for _, port in result]


def test_a_target_may_be_the_name_of_a_container_port() -> None:
    cluster = a_cluster(service_ports=(ServicePort("ray-serve", 80, "serve"),))

    assert '"port": 80, "targetPort": "serve"' in json.dumps(head_service(cluster))


def test_the_manifest(golden: Callable[[str, str], None]) -> None:
    golden("service.json", json.dumps(head_service(a_cluster()), indent=2) + "\n")


def test_the_fingerprint_stands_on_the_manifest_and_follows_it() -> None:
    def fingerprints(cluster: RayCluster) -> set[str]:
        annotation = head_service(cluster)["metadata"]["annotations"]["cluster.ray.io/fingerprint"]  # type: ignore[index,call-overload]
        return {service_fingerprint(cluster), str(annotation)}

    plain, again = fingerprints(a_cluster()), fingerprints(a_cluster(workers=7))
    changed = fingerprints(a_cluster(service_ports=(ServicePort("client", 10002, 10001),)))

    assert len(plain) == 1
    assert plain == again
    assert not plain & changed
