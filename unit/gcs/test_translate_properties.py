"""Whatever a head sends: odd messages, damaged ones, any bytes."""

from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.demand import Strategy
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.errors import GcsError
from rayctl.gcs.translate import reported_version, snapshot

GROUP = "4b824095ce0af6d199c3a50e59df02000000"
AT = Monotonic(12.5)

AMOUNTS = st.dictionaries(
    st.sampled_from(["CPU", "memory", f"CPU_group_{GROUP}", ""]), st.floats(), max_size=3
)
NUMBERS = st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 5)
TEXTS = st.sampled_from(["", "a", f"{GROUP}:STRICT_SPREAD|PENDING", f"_PG_{GROUP}"]) | st.text(max_size=4)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=2)


def messages(kind: type, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: kind(**given))


def several(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(strategy, max_size=3)


TERMS = messages(pb.LabelSelectorConstraint, label_key=TEXTS, operator=NUMBERS, label_values=several(TEXTS))
SELECTORS = messages(pb.LabelSelector, label_constraints=several(TERMS))
CONSTRAINTS = messages(
    pb.PlacementConstraint,
    affinity=messages(pb.AffinityConstraint, label_name=TEXTS),
    anti_affinity=messages(pb.AntiAffinityConstraint, label_name=TEXTS),
)
REQUESTS = messages(
    pb.ResourceRequest,
    resources_bundle=AMOUNTS,
    placement_constraints=several(CONSTRAINTS),
    label_selectors=several(SELECTORS),
)
BY_COUNT = messages(pb.ResourceRequestByCount, request=REQUESTS, count=st.integers(-(2**63), 2**63 - 1))
NODES = messages(
    pb.NodeState,
    node_id=st.binary(max_size=3),
    instance_id=TEXTS,
    ray_node_type_name=TEXTS,
    status=NUMBERS,
    idle_duration_ms=st.integers(-(2**63), 2**63 - 1),
    total_resources=AMOUNTS,
    available_resources=AMOUNTS,
    labels=LABELS,
    dynamic_labels=LABELS,
)
GANGS = messages(
    pb.GangResourceRequest,
    details=TEXTS,
    requests=several(REQUESTS),
    bundle_selectors=several(messages(pb.BundleSelector, resource_requests=several(REQUESTS))),
)
STATES = messages(
    pb.ClusterResourceState,
    cluster_resource_state_version=st.integers(-(2**63), 2**63 - 1),
    cluster_session_name=TEXTS,
    node_states=several(NODES),
    pending_resource_requests=several(BY_COUNT),
    pending_gang_resource_requests=several(GANGS),
    cluster_resource_constraints=several(
        messages(pb.ClusterResourceConstraint, resource_requests=several(BY_COUNT))
    ),
)


@given(STATES)
def test_no_message_however_odd_raises_and_all_that_comes_of_it_is_sound(
    state: pb.ClusterResourceState,
) -> None:
    found = snapshot(pb.GetClusterResourceStateReply(cluster_resource_state=state).SerializeToString(), AT)

    bundles = [bundle for gang in found.gangs for bundle in gang.bundles]
    for demand in (*found.demands, *found.constraint, *bundles):
        assert demand.count > 0
        assert all(amount > 0 for _, amount in demand.shape)
        assert list(demand.shape) == sorted(demand.shape)
        assert all(demand.selectors)
    for gang in found.gangs:
        assert gang.bundles
        assert gang.count > 0
        assert gang.count == 1 or gang.strategy is not Strategy.STRICT_SPREAD
    for node in found.nodes:
        assert node.idle_ms >= 0
        assert all(0 < amount <= node.total[name] for name, amount in node.available.items())
    assert len({node.node_id for node in found.nodes}) == len(found.nodes)
    assert len(set(found.demands)) == len(found.demands)
    hash((found.demands, found.gangs, found.constraint))


@given(STATES, st.data())
def test_bytes_that_were_damaged_on_the_way_are_read_or_refused(
    state: pb.ClusterResourceState, data: st.DataObject
) -> None:
    whole = bytearray(pb.GetClusterResourceStateReply(cluster_resource_state=state).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        if whole:
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    try:
        snapshot(bytes(whole), AT)
    except GcsError as error:
        assert str(error).startswith("the answer ")  # noqa: PT017


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(answer: bytes) -> None:
    for reading in (lambda: snapshot(answer, AT), lambda: reported_version(answer)):
        try:
            reading()
        except GcsError as error:
            assert str(error).startswith("the answer ")  # noqa: PT017
