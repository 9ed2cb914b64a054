from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.document import SpecError
from rayctl.api.names import ClusterKey, TypeName
from rayctl.api.raycluster import HeadService, ServicePort, ServiceType, parse_cluster
from rayctl.api.restart import RestartMarks
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from unit.builders import UID, a_cluster, a_cluster_document, a_pod_config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def errors_of(document: dict[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_cluster(document)
    return [str(error) for error in caught.value.fields]


def with_worker(**fields: Any) -> dict[str, Any]:
    document = a_cluster_document()
    document["spec"]["podTypes"][1] |= fields
    return document


def test_metadata_say_which_cluster_it_is() -> None:
    cluster = parse_cluster(a_cluster_document())

    assert (cluster.key, cluster.uid, cluster.generation) == (ClusterKey("ray", "example-cluster"), UID, 1)


def test_what_is_not_given_has_the_legacy_defaults() -> None:
    document = a_cluster_document()
    del document["spec"]["maxWorkers"]
    del document["spec"]["podTypes"][1]["minWorkers"]

    cluster = parse_cluster(document)

    assert cluster.max_workers == 2
    assert cluster.upscaling_speed == 1.0
    assert cluster.idle_timeout_minutes == 5.0
    assert cluster.head_start_commands is None
    assert cluster.worker_start_commands is None
    assert cluster.service_ports == ()
    assert cluster.head_service == HeadService(ServiceType.CLUSTER_IP, {})
    assert not cluster.suspend
    assert cluster.upgrade == UpgradeStrategy(UpgradeType.ROLLING_UPDATE, "25%", 0)
    assert (cluster.drain_seconds, cluster.join_seconds, cluster.idle_seconds) == (300, 600, None)
    assert cluster.restarts == RestartMarks()
    assert cluster.pod_types[1].min_workers == 0
    assert cluster.pod_types[1].ray_resources is None


def test_a_speed_of_zero_means_the_default() -> None:
    assert parse_cluster(a_cluster_document(upscalingSpeed=0)).upscaling_speed == 1.0


def test_an_idle_timeout_may_be_a_fraction() -> None:
    assert parse_cluster(a_cluster_document(idleTimeoutMinutes=0.5)).idle_timeout_minutes == 0.5


@pytest.mark.parametrize(
    ("fields", "maximum"),
    [
        pytest.param({}, 7, id="the cluster's by default"),
        pytest.param({"maxWorkers": 3}, 3, id="its own"),
        pytest.param({"maxWorkers": 0}, 0, id="none at all"),
        pytest.param({"minWorkers": 5, "maxWorkers": 3}, 3, id="less than the minimum: the maximum wins"),
    ],
)
def test_a_type_may_have_so_many_workers(fields: dict[str, int], maximum: int) -> None:
    document = with_worker(**fields)
    document["spec"]["maxWorkers"] = 7

    cluster = parse_cluster(document)

    assert cluster.max_of(cluster.pod_types[1]) == maximum


def test_the_heads_type_has_no_workers_unless_it_says_so() -> None:
    document = a_cluster_document()
    plain = parse_cluster(document)
    document["spec"]["podTypes"][0]["maxWorkers"] = 2

    assert plain.max_of(plain.head) == 0
    assert parse_cluster(document).max_of(parse_cluster(document).head) == 2


def test_worker_setup_commands_win_over_setup_commands() -> None:
    both = with_worker(setupCommands=["a"], workerSetupCommands=["b"])
    none = with_worker(setupCommands=["a"], workerSetupCommands=[])

    assert parse_cluster(with_worker(setupCommands=["a"])).pod_types[1].setup_commands == ("a",)
    assert parse_cluster(both).pod_types[1].setup_commands == ("b",)
    assert parse_cluster(none).pod_types[1].setup_commands == ()


def test_commands_of_the_spec_are_kept_in_order() -> None:
    cluster = parse_cluster(
        a_cluster_document(
            headSetupCommands=["h1", "h2"],
            workerSetupCommands=["w"],
            headStartRayCommands=["hs"],
            workerStartRayCommands=[],
        )
    )

    assert cluster.head_setup_commands == ("h1", "h2")
    assert cluster.worker_setup_commands == ("w",)
    assert cluster.head_start_commands == ("hs",)
    assert cluster.worker_start_commands == ()


def test_a_service_ports_target_is_a_number_or_a_name() -> None:
    ports = [{"name": "a", "port": 1, "targetPort": 2}, {"name": "b", "port": 3, "targetPort": "web"}]

    cluster = parse_cluster(a_cluster_document(headServicePorts=ports))

    assert cluster.service_ports == (ServicePort("a", 1, 2), ServicePort("b", 3, "web"))


def test_pods_are_kept_as_they_were_written() -> None:
    pod = a_pod_config(metadata={"generateName": "x-"}, spec={"aFieldOfTheFuture": [{"a": None}]})

    pod_type = parse_cluster(with_worker(podConfig=pod)).pod_types[1]

    assert pod_type.pod == pod
    assert pod_type.generate_name == "x-"


def test_ray_resources_are_amounts_zeros_included() -> None:
    given = {"GPU": 0, "Custom1": 2.0}

    assert parse_cluster(with_worker(rayResources=given)).pod_types[1].ray_resources == {
        "GPU": 0,
        "Custom1": 2,
    }
    assert parse_cluster(with_worker(rayResources={})).pod_types[1].ray_resources == {}


def test_a_secret_that_no_mode_asks_for_is_not_used() -> None:
    given = {"mode": "disabled", "secretName": "x"}

    assert parse_cluster(a_cluster_document(auth=given)).auth.token_secret == ""


def test_a_type_may_be_of_several_hosts() -> None:
    assert [kind.hosts for kind in parse_cluster(with_worker(numOfHosts=4)).pod_types] == [1, 4]


def test_what_a_cluster_may_have_beyond_the_legacy_fields_is_read() -> None:
    cluster = parse_cluster(
        a_cluster_document(
            suspend=True,
            drainTimeoutSeconds=0,
            joinTimeoutSeconds=30,
            ttlSecondsAfterIdle=3600,
            headService={"type": "LoadBalancer", "annotations": {"example.com/internal": "true"}},
        )
    )

    assert cluster.suspend
    assert (cluster.drain_seconds, cluster.join_seconds, cluster.idle_seconds) == (0, 30, 3600)
    assert cluster.head_service == HeadService(ServiceType.LOAD_BALANCER, {"example.com/internal": "true"})


def test_a_types_strategy_takes_the_place_of_the_clusters_as_a_whole() -> None:
    document = with_worker(upgradeStrategy={"maxSurge": 1})
    document["spec"]["upgradeStrategy"] = {"type": "OnDelete", "maxUnavailable": 3}

    cluster = parse_cluster(document)

    assert cluster.upgrade_of(cluster.head) == UpgradeStrategy(UpgradeType.ON_DELETE, 3, 0)
    assert cluster.upgrade_of(cluster.pod_types[1]) == UpgradeStrategy(UpgradeType.ROLLING_UPDATE, "25%", 1)


def test_marks_of_a_restart_are_found_in_the_metadata() -> None:
    document = a_cluster_document()
    document["metadata"]["labels"] = {"try": "again"}

    assert parse_cluster(document).restarts.whole == (("label try", "again"),)


def test_types_are_found_by_name() -> None:
    cluster = a_cluster()

    assert cluster.head.name == "head-node"
    assert cluster.find_type(TypeName("worker-node")) is cluster.pod_types[1]
    assert cluster.find_type(TypeName("gone")) is None


def test_a_deprecated_field_of_the_first_files_is_accepted() -> None:
    assert parse_cluster(a_cluster_document(workerDefaultPodType="worker-node")) == a_cluster()


@pytest.mark.parametrize(
    ("document", "error"),
    [
        pytest.param(
            a_cluster_document(headPodType="nobody"),
            "spec.headPodType: no pod type is called 'nobody'; name one of spec.podTypes: head-node, worker-node",
            id="unknown head",
        ),
        pytest.param(
            with_worker(name="head-node"),
            "spec.podTypes[1].name: 'head-node' is there already; give each type a name of its own",
            id="two types of one name",
        ),
        pytest.param(
            with_worker(name=""),
            "spec.podTypes[1].name: a pod type without a name; give it one",
            id="no name",
        ),
        pytest.param(
            with_worker(minWorkers=-1),
            "spec.podTypes[1].minWorkers: -1 is negative; write 0 or more",
            id="negative",
        ),
        pytest.param(
            a_cluster_document(auth={"mode": "token"}),
            "spec.auth.secretName: '' is no name of a Secret; name one that has auth_token",
            id="a token from nowhere",
        ),
        pytest.param(
            a_cluster_document(auth={"mode": "kerberos"}),
            "spec.auth.mode: 'kerberos' is no mode; write one of disabled, token",
            id="another way to authenticate",
        ),
        pytest.param(
            with_worker(numOfHosts=0),
            "spec.podTypes[1].numOfHosts: a slice of no hosts is nothing; write 1 or more, or leave it out",
            id="slices of nothing",
        ),
        pytest.param(
            with_worker(minWorkers=10**9),
            "spec.podTypes[1].minWorkers: 1000000000 is more than any cluster has; write 100000 or less",
            id="more than there can be",
        ),
        pytest.param(
            with_worker(maxWorkers="3"),
            "spec.podTypes[1].maxWorkers: a string where a whole number is needed; write a number such as 2",
            id="a number in quotes",
        ),
        pytest.param(
            with_worker(podConfig={"spec": {"containers": []}}),
            "spec.podTypes[1].podConfig.spec.containers: there is no container; add one that has Ray in its image",
            id="no container",
        ),
        pytest.param(
            with_worker(setupCommands=["a", 1]),
            "spec.podTypes[1].setupCommands[1]: a number where a string is needed; put it in quotes",
            id="a command that is a number",
        ),
        pytest.param(
            with_worker(rayResources={"good": 1, "half": 0.5}),
            "spec.podTypes[1].rayResources.half: 0.5 is not a whole number, and Ray takes no other; "
            "write a number such as 2",
            id="half a resource",
        ),
        pytest.param(
            a_cluster_document(headServicePorts=[{"name": "a", "port": 1, "targetPort": True}]),
            "spec.headServicePorts[0].targetPort: neither a port number nor a port's name; "
            "write the container's port",
            id="a target that is no port",
        ),
        pytest.param(
            a_cluster_document(headService={"type": "ExternalName"}),
            "spec.headService.type: 'ExternalName' is no type of Service; "
            "write one of ClusterIP, NodePort, LoadBalancer",
            id="a Service of another kind",
        ),
        pytest.param(
            a_cluster_document(headService={"annotations": {"a": 1}}),
            "spec.headService.annotations.a: a number where a string is needed; put it in quotes",
            id="an annotation that is a number",
        ),
        pytest.param(
            with_worker(upgradeStrategy={"type": "Blue"}),
            "spec.podTypes[1].upgradeStrategy.type: 'Blue' is no strategy; "
            "write one of RollingUpdate, Recreate, OnDelete",
            id="a strategy of one type that there is not",
        ),
        pytest.param(
            a_cluster_document(suspend="yes"),
            "spec.suspend: a string where true or false is needed; write true or false",
            id="a word for true",
        ),
        pytest.param(
            a_cluster_document(ttlSecondsAfterIdle=-1),
            "spec.ttlSecondsAfterIdle: -1 is negative; write 0 or more",
            id="a negative time",
        ),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_place_and_a_remedy(
    document: dict[str, Any], error: str
) -> None:
    assert errors_of(document) == [error]


def test_all_errors_are_told_at_once() -> None:
    document = with_worker(minWorkers=-1, maxWorkers=-2)
    document["spec"]["maxWorkers"] = -3

    assert [error.split(":")[0] for error in errors_of(document)] == [
        "spec.podTypes[1].minWorkers",
        "spec.podTypes[1].maxWorkers",
        "spec.maxWorkers",
    ]


def test_a_cluster_without_a_spec_is_an_error_not_a_crash() -> None:
    assert "spec.podTypes: there is no pod type; add one for the head" in errors_of({})


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                *("podTypes", "headPodType", "maxWorkers", "upscalingSpeed", "headServicePorts", "x"),
                *("headService", "upgradeStrategy", "suspend", "ttlSecondsAfterIdle", "headSetupCommands"),
            ),
            JSON,
        ),
    ),
    st.dictionaries(
        st.sampled_from(["name", "podConfig", "rayResources", "minWorkers", "upgradeStrategy"]), JSON
    ),
    st.dictionaries(
        st.sampled_from(["metadata", "restartPolicy", "initContainers", "volumes", "nodeSelector"]), JSON
    ),
    st.dictionaries(st.sampled_from(["name", "image", "command", "env", "ports", "resources"]), JSON),
    st.dictionaries(st.sampled_from(["name", "labels", "annotations"]), JSON),
)
def test_any_json_is_a_cluster_or_a_spec_error(
    spec: dict[str, Any],
    worker: dict[str, Any],
    pod: dict[str, Any],
    container: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    of_pod = with_worker(podConfig=a_pod_config(metadata=pod.pop("metadata", None), spec=pod, **container))
    documents = (a_cluster_document(**spec), with_worker(**worker), of_pod)
    for document in (*documents, a_cluster_document() | {"metadata": metadata}):
        try:
            parse_cluster(document)
        except SpecError as error:
            assert error.fields  # noqa: PT017 - either outcome is right
