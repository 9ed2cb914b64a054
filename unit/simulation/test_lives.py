"""Lives of clusters, searched for a broken promise: edits, faults and failovers in whatever order.

The same lives each time, and few of them; with ``SIMULATION_EXAMPLES=5000`` so many new ones.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.kube.resource import Verb
from unit.simulation.network import Arming, Fate
from unit.simulation.user import STRATEGIES
from unit.simulation.world import World

EXAMPLES = os.environ.get("SIMULATION_EXAMPLES")  # noqa: TID251  a knob of this search alone
ONE = "one"
QUIET = "quiet"

LAGS = [0.01, 0.1, 3.0, 30.0]

pauses = st.sampled_from([0.0, 0.0, 0.006, 0.05, 1.0, 4.0, 20.0, 100.0])
which = st.integers(0, 7)
names = st.sampled_from(["worker-node", "other", "third"])
plurals = st.sampled_from(["pods", "services", "rayclusters"])
calls = st.sampled_from(
    [
        (Verb.CREATE, "pods"),
        (Verb.DELETE, "pods"),
        (Verb.PATCH, "rayclusters"),
        (Verb.PATCH, "services"),
        (Verb.LIST, "pods"),
        (Verb.GET, "pods"),
    ]
)


class Lives(RuleBasedStateMachine):
    """One cluster that everything happens to, and one to which nothing does."""

    @initialize(
        workers=st.integers(0, 3),
        drain=st.sampled_from([20, 20, 0]),
        strategy=st.sampled_from(STRATEGIES),
        behind=st.sampled_from(LAGS),
    )
    def begin(self, workers: int, drain: int, strategy: dict[str, object], behind: float) -> None:
        self.world = World()
        self.world.__enter__()
        for replica in self.world.replicas:
            replica.line.lags["pods"] = behind
        self.world.user.create(QUIET, 1)
        self.world.promises.untouched.update(self.world.keys())
        self.world.user.create(ONE, workers, drainTimeoutSeconds=drain, upgradeStrategy=strategy)
        self.world.run(10.0)

    def a_pod(self, number: int) -> PodView | None:
        pods = sorted((p for p in self.world.server.pods.values() if p.key.name == ONE), key=lambda p: p.name)
        return pods[number % len(pods)] if pods else None

    # ---- users

    @rule(kind=which, least=st.integers(0, 3), most=st.sampled_from([None, None, 1, 3]), pause=pauses)
    def a_user_scales_a_type(self, kind: int, least: int, most: int | None, pause: float) -> None:
        self.world.user.scale(ONE, kind, least, most)
        self.world.run(pause)

    @rule(most=st.integers(0, 8), pause=pauses)
    def a_user_limits_the_workers(self, most: int, pause: float) -> None:
        self.world.user.set(ONE, "maxWorkers", most)
        self.world.run(pause)

    @rule(kind=which, busy=st.booleans(), pause=pauses)
    def a_user_changes_pods(self, kind: int, busy: bool, pause: float) -> None:
        for node in self.world.ray.workers() if busy else ():
            self.world.ray.set_busy(node, busy=True)
        self.world.user.change_pods(ONE, kind)
        self.world.run(pause)

    @rule(kind=st.none() | which, strategy=st.sampled_from(STRATEGIES), pause=pauses)
    def a_user_changes_the_strategy(
        self, kind: int | None, strategy: dict[str, object], pause: float
    ) -> None:
        self.world.user.set_strategy(ONE, kind, strategy)
        self.world.run(pause)

    @rule(name=names, workers=st.integers(0, 2), hosts=st.sampled_from([1, 1, 2]), pause=pauses)
    def a_user_adds_a_type(self, name: str, workers: int, hosts: int, pause: float) -> None:
        self.world.user.add_type(ONE, name, workers, hosts)
        self.world.run(pause)

    @rule(kind=which, pause=pauses)
    def a_user_removes_a_type(self, kind: int, pause: float) -> None:
        self.world.user.remove_type(ONE, kind)
        self.world.run(pause)

    @rule(kind=which, name=names, pause=pauses)
    def a_user_renames_a_type(self, kind: int, name: str, pause: float) -> None:
        self.world.user.rename_type(ONE, kind, name)
        self.world.run(pause)

    @rule(suspend=st.booleans(), pause=pauses)
    def a_user_suspends_or_resumes(self, suspend: bool, pause: float) -> None:
        self.world.user.set(ONE, "suspend", suspend)
        self.world.run(pause)

    @rule(how=which, pause=pauses)
    def a_user_asks_for_a_restart(self, how: int, pause: float) -> None:
        self.world.user.restart(ONE, how)
        self.world.run(pause)

    @rule(again=st.booleans(), workers=st.integers(0, 3), between=pauses, pause=pauses)
    def a_user_deletes_the_cluster(self, again: bool, workers: int, between: float, pause: float) -> None:
        self.world.user.delete(ONE)
        self.world.run(between)
        if again:
            self.world.user.create(ONE, workers, drainTimeoutSeconds=20)
        self.world.run(pause)

    @precondition(lambda self: self.world.server.find_cluster(ONE) is None)
    @rule(workers=st.integers(0, 3), pause=pauses)
    def a_user_creates_the_cluster(self, workers: int, pause: float) -> None:
        self.world.user.create(ONE, workers, drainTimeoutSeconds=20)
        self.world.run(pause)

    @rule(pause=pauses)
    def a_user_writes_nonsense(self, pause: float) -> None:
        self.world.user.spoil(ONE)
        self.world.run(pause)

    @precondition(lambda self: self.world.user.is_nonsense(ONE))
    @rule(pause=pauses)
    def a_user_takes_nonsense_back(self, pause: float) -> None:
        self.world.user.mend(ONE)
        self.world.run(pause)

    @rule(number=which, grace=st.sampled_from([None, None, 0]), pause=pauses)
    def a_user_deletes_a_pod(self, number: int, grace: int | None, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.server.delete_pod(pod, grace)
        self.world.run(pause)

    @rule(number=which, pause=pauses)
    def a_user_asks_a_pod_to_go(self, number: int, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.server.change_pod(
                pod, {"metadata": {"annotations": {"cluster.ray.io/restartedAt": "now"}}}
            )
        self.world.run(pause)

    # ---- machines

    @rule(number=which, phase=st.sampled_from(["Failed", "Succeeded"]), pause=pauses)
    def a_pod_ends(self, number: int, phase: str, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.nodes.end(pod, phase)
        self.world.run(pause)

    @rule(number=which, pause=pauses)
    def a_container_starts_again_in_place(self, number: int, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.nodes.restart(pod)
        self.world.run(pause)

    @rule(number=which, seconds=st.sampled_from([5.0, 90.0, 300.0]), pause=pauses)
    def a_pod_is_not_ready_for_a_while(self, number: int, seconds: float, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.nodes.fail_probe(pod, seconds)
        self.world.run(pause)

    @rule(number=which, pause=pauses)
    def a_machine_vanishes(self, number: int, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.nodes.lose_node(pod)
        self.world.run(pause)

    @rule(number=which, pause=pauses)
    def a_pod_will_hang_in_terminating(self, number: int, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.nodes.hanging.add(pod.uid)
        self.world.run(pause)

    @precondition(lambda self: self.world.nodes.hanging)
    @rule(pause=pauses)
    def what_hangs_ends(self, pause: float) -> None:
        self.world.nodes.release()
        self.world.run(pause)

    @rule(seconds=st.sampled_from([3.0, 60.0]), pause=pauses)
    def there_is_no_room(self, seconds: float, pause: float) -> None:
        self.world.nodes.full_until = self.world.loop.time() + seconds
        self.world.run(pause)

    @rule(quota=st.none() | st.integers(2, 8), pause=pauses)
    def there_is_a_quota(self, quota: int | None, pause: float) -> None:
        self.world.server.quota = quota
        self.world.run(pause)

    # ---- Ray

    @rule(number=which, busy=st.booleans(), pause=pauses)
    def work_begins_or_ends(self, number: int, busy: bool, pause: float) -> None:
        if nodes := self.world.ray.workers():
            self.world.ray.set_busy(nodes[number % len(nodes)], busy=busy)
        self.world.run(pause)

    @rule(seconds=st.sampled_from([3.0, 15.0, 60.0]), pause=pauses)
    def ray_is_silent(self, seconds: float, pause: float) -> None:
        self.world.ray.silent_until = self.world.loop.time() + seconds
        self.world.run(pause)

    @rule(refuses=st.booleans(), loses=st.integers(0, 2), pause=pauses)
    def ray_refuses_drains_or_loses_answers(self, refuses: bool, loses: int, pause: float) -> None:
        self.world.ray.refuses_drains, self.world.ray.loses_answers = refuses, loses
        self.world.run(pause)

    @rule(number=which, pause=pauses)
    def a_raylet_dies(self, number: int, pause: float) -> None:
        if (pod := self.a_pod(number)) is not None:
            self.world.ray.lose(pod.name)
        self.world.run(pause)

    @rule(tasks=st.integers(0, 4), pause=pauses)
    def tasks_wait_for_room(self, tasks: int, pause: float) -> None:
        heads = [
            pod for pod in self.world.server.pods.values() if pod.role is Role.HEAD and pod.key.name == ONE
        ]
        for head in heads[:1]:
            self.world.ray.waiting[head.ip] = tasks
        self.world.run(pause)

    # ---- the network

    @rule(
        fate=st.sampled_from(list(Fate)),
        call=calls,
        skip=st.integers(0, 2),
        times=st.integers(1, 3),
        pause=pauses,
    )
    def calls_will_fail(
        self, fate: Fate, call: tuple[Verb, str], skip: int, times: int, pause: float
    ) -> None:
        self.world.armed.append(Arming(fate, *call, skip, times))
        self.world.run(pause)

    @rule(number=which, plural=plurals, seconds=st.sampled_from(LAGS), pause=pauses)
    def a_stream_lags(self, number: int, plural: str, seconds: float, pause: float) -> None:
        replicas = self.world.replicas
        replicas[number % len(replicas)].line.lags[plural] = seconds
        self.world.run(pause)

    @rule(number=which, plural=plurals, forgotten=st.booleans(), pause=pauses)
    def a_stream_breaks(self, number: int, plural: str, forgotten: bool, pause: float) -> None:
        replicas = self.world.replicas
        if forgotten:
            self.world.server.objects.compact()
        replicas[number % len(replicas)].line.cut(plural)
        self.world.run(pause)

    @rule(number=which, plural=plurals, pause=pauses)
    def a_stream_repeats_itself(self, number: int, plural: str, pause: float) -> None:
        replicas = self.world.replicas
        replicas[number % len(replicas)].line.repeat(plural)
        self.world.run(pause)

    # ---- replicas

    @rule(pause=pauses)
    def another_replica_takes_over(self, pause: float) -> None:
        self.world.take_over()
        self.world.run(pause)

    @rule(gap=pauses, pause=pauses)
    def the_leader_dies(self, gap: float, pause: float) -> None:
        for leader in self.world.leaders:
            leader.die()
        self.world.run(gap)
        self.world.take_over()
        self.world.run(pause)

    @rule(seconds=st.sampled_from([0.05, 1.0, 10.0, 60.0]), pause=pauses)
    def two_lead_at_once(self, seconds: float, pause: float) -> None:
        self.world.split()
        self.world.run(seconds)
        self.world.unite()
        self.world.run(pause)

    @rule(seconds=st.sampled_from([0.5, 10.0, 60.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    @invariant()
    def promises_are_kept(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.heal()
            self.world.settle()
        finally:
            self.world.__exit__()


TestLives = pytest.mark.timeout(3600)(Lives.TestCase)
TestLives.settings = settings(
    max_examples=int(EXAMPLES or 20),
    derandomize=not EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
