"""P15 of the design: no Snapshot, however odd, raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import (
    Demand,
    Gang,
    GroupId,
    NodeId,
    NodeStatus,
    Other,
    RayNode,
    Snapshot,
    Strategy,
    Term,
)
from rayctl.core.autoscale.feedback import feedback
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.report import monitoring_block
from rayctl.core.autoscale.workers import History, PodVerdict, WorkerPod, join
from unit.core.autoscale.situations import NOW, A, G, a_situation

names = st.sampled_from(["CPU", "GPU", "memory", "", "node:10.0.0.1", "accelerator_type:X", "\x00", "🙂"])
numbers = st.sampled_from([-(10**30), -1, 0, 1, 10_000, 10**30])
types = st.sampled_from(["a", "g", "", "gone"])
groups = st.sampled_from([GroupId(""), GroupId("aa")])
terms = st.builds(Term, names, st.booleans(), st.frozensets(names, max_size=2))
demands = st.builds(
    Demand,
    st.lists(st.tuples(names, numbers), max_size=3).map(tuple),
    st.sampled_from([-5, 0, 1, 10**12]),
    st.lists(st.lists(terms, max_size=2).map(tuple), max_size=2).map(tuple),
)
gangs = st.builds(
    Gang,
    st.sampled_from(Strategy),
    st.lists(demands, max_size=2).map(tuple),
    st.sampled_from([-1, 0, 1, 3]),
    groups,
    st.booleans(),
)
nodes = st.builds(
    RayNode,
    node_id=st.sampled_from([NodeId(""), NodeId("01"), NodeId("02")]),
    pod=st.sampled_from(["", "pod-1", "pod-2", "pod-3"]),
    type=types,
    status=st.sampled_from([*NodeStatus, Other("NEW")]),
    total=st.dictionaries(names, numbers, max_size=3),
    available=st.dictionaries(names, numbers, max_size=3),
    labels=st.dictionaries(names, names, max_size=2),
    idle_ms=numbers,
    groups=st.frozensets(groups),
    ip=st.sampled_from(["", "10.0.0.1"]),
)
pods = st.builds(
    WorkerPod,
    name=st.sampled_from(["pod-1", "pod-2", "pod-3"]),
    type=types.map(TypeName),
    verdict=st.sampled_from(PodVerdict),
    head=st.booleans(),
)
snapshots = st.builds(
    Snapshot,
    session=st.sampled_from(["session_1", "session_2", ""]),
    version=numbers,
    at=st.just(NOW),
    nodes=st.lists(nodes, max_size=4).map(tuple),
    demands=st.lists(demands, max_size=4).map(tuple),
    gangs=st.lists(gangs, max_size=3).map(tuple),
    constraint=st.lists(demands, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=settings().max_examples // 2)
@given(snapshots, st.lists(pods, max_size=3))
def test_no_answer_of_the_gcs_makes_a_plan_fail(asked: Snapshot, there: list[WorkerPod]) -> None:
    situation = a_situation(
        types=[A, G], workers=join(there, asked, History()), asked=asked, cluster_maximum=10
    )

    outcome = plan(situation)

    assert all(count >= 0 for count in outcome.targets.values())
    assert monitoring_block(situation, outcome)
    assert len(feedback(situation, outcome, 0.0).pending_requests) <= 100
