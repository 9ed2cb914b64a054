"""Bytes of the GCS to a snapshot."""

import math

import pytest

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.demand import (
    GRAIN,
    Demand,
    Gang,
    GroupId,
    NodeId,
    NodeStatus,
    Other,
    RayNode,
    Snapshot,
    Strategy,
)
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs import translate
from rayctl.gcs.errors import Garbled, GcsError, TooLarge
from rayctl.gcs.translate import reported_version

GROUP = "4b824095ce0af6d199c3a50e59df02000000"
AT = Monotonic(12.5)


def read(state: pb.ClusterResourceState) -> Snapshot:
    reply = pb.GetClusterResourceStateReply(cluster_resource_state=state)
    return translate.snapshot(reply.SerializeToString(), AT)


def nodes(*messages: pb.NodeState) -> tuple[RayNode, ...]:
    return read(pb.ClusterResourceState(node_states=messages)).nodes


def a_node(
    pod: str = "pod", number: int = 1, status: pb.NodeStatus = pb.RUNNING, **fields: object
) -> pb.NodeState:
    return pb.NodeState(node_id=bytes([number]) * 28, instance_id=pod, status=status, **fields)  # type: ignore[arg-type]


def test_all_of_an_answer_is_there() -> None:
    request = pb.ResourceRequest(resources_bundle={"CPU": 2.0}, label_selectors=[pb.LabelSelector()])
    by_count = pb.ResourceRequestByCount(request=request, count=5)
    state = pb.ClusterResourceState(
        cluster_resource_state_version=42,
        cluster_session_name="session_2026",
        node_states=[
            pb.NodeState(
                node_id=b"\x01" * 28,
                instance_id="raycluster-worker-1",
                ray_node_type_name="worker",
                status=pb.IDLE,
                idle_duration_ms=1234,
                node_ip_address="10.0.0.7",
                total_resources={"CPU": 4.0, "memory": 2.0**33, f"CPU_group_{GROUP}": 1.0, "empty": 0.0},
                available_resources={"CPU": 2.5, "memory": 2.0**33, f"CPU_group_{GROUP}": 1.0},
                labels={"zone": "a"},
                dynamic_labels={f"_PG_{GROUP}": "", "other": "x"},
            )
        ],
        pending_resource_requests=[by_count],
        pending_gang_resource_requests=[
            pb.GangResourceRequest(details=f"{GROUP}:SPREAD|PENDING", requests=[request, request])
        ],
        cluster_resource_constraints=[pb.ClusterResourceConstraint(resource_requests=[by_count])],
    )

    two_cpus = (("CPU", 2 * GRAIN),)
    assert read(state) == Snapshot(
        session="session_2026",
        version=42,
        at=AT,
        nodes=(
            RayNode(
                node_id=NodeId("01" * 28),
                pod="raycluster-worker-1",
                type="worker",
                status=NodeStatus.IDLE,
                total={"CPU": 4 * GRAIN, "memory": 2**33 * GRAIN},
                available={"CPU": 25_000, "memory": 2**33 * GRAIN},
                labels={"zone": "a"},
                idle_ms=1234,
                groups=frozenset({GroupId(GROUP)}),
                ip="10.0.0.7",
            ),
        ),
        demands=(Demand(two_cpus, 5),),
        gangs=(Gang(Strategy.SPREAD, (Demand(two_cpus, 2),), 1, GroupId(GROUP)),),
        constraint=(Demand(two_cpus, 5),),
        left_out=0,
    )


def test_an_empty_answer_is_a_cluster_without_anything() -> None:
    assert translate.snapshot(b"", AT) == Snapshot("", 0, AT, ())


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (1, NodeStatus.RUNNING),
        (2, NodeStatus.DEAD),
        (3, NodeStatus.IDLE),
        (4, NodeStatus.DRAINING),
        (0, Other("0")),
        (7, Other("7")),
        (-1, Other("-1")),
    ],
)
def test_a_status_is_known_or_other(number: int, status: NodeStatus | Other) -> None:
    message = a_node()
    message.status = number  # type: ignore[assignment]

    (node,) = nodes(message)

    assert node.status == status


@pytest.mark.parametrize(
    ("status", "told", "idle_ms"),
    [
        pytest.param(pb.IDLE, 500, 500, id="idle"),
        pytest.param(pb.IDLE, -5, 0, id="idle since tomorrow"),
        pytest.param(pb.RUNNING, 500, 0, id="busy"),
    ],
)
def test_a_node_is_idle_as_long_as_it_has_nothing_to_do(
    status: pb.NodeStatus, told: int, idle_ms: int
) -> None:
    (node,) = nodes(a_node(status=status, idle_duration_ms=told))

    assert node.idle_ms == idle_ms


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf, -math.inf, 0.0])
def test_what_is_no_amount_is_not_there(amount: float) -> None:
    (node,) = nodes(a_node(total_resources={"GPU": amount, "CPU": 1.0}, available_resources={"CPU": amount}))

    assert (node.total, node.available) == ({"CPU": GRAIN}, {})


def test_no_more_is_available_than_there_is() -> None:
    (node,) = nodes(a_node(total_resources={"CPU": 1.0}, available_resources={"CPU": 9.0, "GPU": 1.0}))

    assert node.available == {"CPU": GRAIN}


@pytest.mark.parametrize("order", [1, -1])
def test_what_died_in_a_pod_is_left_out_where_ray_lives_in_it_again(order: int) -> None:
    messages = [
        a_node("a", 1, pb.DEAD),
        a_node("a", 2, pb.IDLE),
        a_node("b", 3, pb.DEAD),
        a_node("", 4, pb.DEAD),
    ]

    found = nodes(*messages[::order])

    assert sorted((node.pod, node.status) for node in found) == [("", "DEAD"), ("a", "IDLE"), ("b", "DEAD")]


def test_two_lives_of_a_pod_are_both_told() -> None:
    # The head's old node looks alive for a while after a restart with fault tolerance.
    assert len(nodes(a_node("head", 1, pb.RUNNING), a_node("head", 2, pb.RUNNING))) == 2


def test_nodes_without_a_pod_do_not_stand_for_each_other() -> None:
    assert len(nodes(a_node("", 1, pb.DEAD), a_node("", 2, pb.RUNNING))) == 2


def test_a_node_without_an_id_is_none_and_one_told_twice_is_one() -> None:
    found = nodes(a_node("a", 1), a_node("a", 1, pb.IDLE), pb.NodeState(instance_id="nobody"))

    assert [(node.pod, node.status) for node in found] == [("a", NodeStatus.IDLE)]


def test_what_is_left_out_is_counted_over_all_kinds() -> None:
    odd = pb.ResourceRequest(resources_bundle={"CPU": math.nan})
    by_count = pb.ResourceRequestByCount(request=odd, count=2)

    found = read(
        pb.ClusterResourceState(
            pending_resource_requests=[by_count],
            pending_gang_resource_requests=[pb.GangResourceRequest(requests=[odd])],
            cluster_resource_constraints=[pb.ClusterResourceConstraint(resource_requests=[by_count])],
        )
    )

    assert found.left_out == 3


def test_a_text_that_is_no_text_is_garbled_and_the_sessions_name_is_cut() -> None:
    with pytest.raises(GcsError, match="broken NodeState"):
        translate.snapshot(b"\x0a\x05\x1a\x03\x12\x01\xff", AT)

    name = read(pb.ClusterResourceState(cluster_session_name="s" * 10_000)).session
    assert name == "s" * translate.MAX_SESSION


@pytest.mark.parametrize(
    ("limit", "state", "words"),
    [
        pytest.param(
            "MAX_NODES",
            pb.ClusterResourceState(node_states=[a_node(number=number) for number in range(4)]),
            "more than 3 nodes",
            id="nodes",
        ),
        pytest.param(
            "MAX_PIECES",
            pb.ClusterResourceState(pending_resource_requests=[pb.ResourceRequestByCount()] * 4),
            "more than 3 nodes and demands",
            id="demands",
        ),
        pytest.param(
            "MAX_PIECE",
            pb.ClusterResourceState(pending_gang_resource_requests=[pb.GangResourceRequest(details="long")]),
            "a GangResourceRequest of 6 bytes",
            id="one of them",
        ),
    ],
)
def test_what_is_out_of_all_proportion_is_not_read(
    monkeypatch: pytest.MonkeyPatch, limit: str, state: pb.ClusterResourceState, words: str
) -> None:
    monkeypatch.setattr(translate, limit, 3)

    with pytest.raises(TooLarge, match=words):
        read(state)


def test_the_version_of_the_last_report_is_found_beside_all_else() -> None:
    reply = pb.GetClusterStatusReply(
        autoscaling_state=pb.AutoscalingState(
            autoscaler_state_version=1_795_521_600_250,
            pending_instances=[pb.PendingInstance(instance_id="p")],
        ),
        cluster_resource_state=pb.ClusterResourceState(cluster_resource_state_version=3),
    )

    assert reported_version(reply.SerializeToString()) == 1_795_521_600_250
    assert reported_version(b"") == 0


def test_drivers_are_the_living_jobs_of_users() -> None:
    jobs = pb.GetAllJobInfoReply()
    jobs.job_info_list.add(config=pb.JobConfig(ray_namespace="mine"))
    jobs.job_info_list.add(config=pb.JobConfig(ray_namespace="_ray_internal_dashboard"))
    jobs.job_info_list.add(is_dead=True)
    jobs.job_info_list.add()

    assert translate.drivers(jobs.SerializeToString()) == 2


def test_jobs_without_end_are_not_read() -> None:
    with pytest.raises(TooLarge, match="jobs"):
        translate.drivers(b"\x12\x00" * (translate.MAX_PIECES + 1))


@pytest.mark.parametrize("answer", [b"<html>", b"\x12\x05ab", b"\x10\x01", b"\x12\x02\x12\x09"])
def test_jobs_that_are_none_are_told(answer: bytes) -> None:
    with pytest.raises(Garbled):
        translate.drivers(answer)
