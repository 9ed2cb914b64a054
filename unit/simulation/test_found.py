"""What the search has found (:mod:`unit.simulation.test_lives`), each as the shortest life that shows it."""

from collections.abc import Iterator

import pytest

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.kube.resource import Verb
from unit.simulation.network import Arming, Fate
from unit.simulation.world import World

ONE = "one"


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def settled(world: World) -> None:
    world.heal()
    world.settle()


def workers(world: World) -> list[PodView]:
    """The workers that count: neither on their way out nor at their end."""
    everyone = (pod for pod in world.server.pods.values() if pod.role is Role.WORKER)
    return [pod for pod in everyone if not pod.deleting and not pod.finished]


def head(world: World) -> PodView:
    return next(pod for pod in world.server.pods.values() if pod.role is Role.HEAD)


def test_no_successor_is_made_beside_a_deletion_that_fails(world: World) -> None:
    world.user.create(ONE, 2)
    world.run(10.0)
    world.armed.append(Arming(Fate.FAULT, Verb.DELETE, "pods", skip=1, times=3))

    world.nodes.end(head(world), "Failed")
    world.run(2.0)

    assert len(workers(world)) <= 2
    settled(world)


def test_a_limit_that_is_lowered_counts_before_the_next_plan_is_made(world: World) -> None:
    world.user.create(ONE, 1)
    world.run(10.0)

    world.nodes.end(workers(world)[0], "Failed")
    world.user.set(ONE, "maxWorkers", 0)
    world.run(0.05)

    assert workers(world) == []
    settled(world)


def roll_out(world: World, strategy: dict[str, object], most: int) -> Iterator[tuple[int, int]]:
    """Change three busy workers' pods; yield how many there are and how many are ready, twice a second."""
    limits = {"maxWorkers": most, "drainTimeoutSeconds": 20, "idleTimeoutMinutes": 5}
    world.user.create(ONE, 3, upgradeStrategy=strategy, **limits)
    world.run(10.0)
    for node in world.ray.workers():
        world.ray.set_busy(node, busy=True)
    world.user.change_pods(ONE, 1)
    for _ in range(200):
        world.run(0.5)
        there = workers(world)
        yield len(there), sum(pod.ready for pod in there)


def test_a_roll_out_without_surge_never_has_a_worker_more_than_wanted(world: World) -> None:
    counts = list(roll_out(world, {"type": "RollingUpdate", "maxUnavailable": 1}, most=8))

    assert max(there for there, _ in counts) == 3
    settled(world)


def test_a_surge_is_not_the_base_of_the_next_surge(world: World) -> None:
    strategy: dict[str, object] = {"type": "RollingUpdate", "maxUnavailable": 0, "maxSurge": 1}

    counts = list(roll_out(world, strategy, most=8))

    assert max(there for there, _ in counts) == 4
    assert min(ready for _, ready in counts) == 3
    settled(world)


def test_where_the_maximum_leaves_no_room_for_a_surge_one_worker_is_missing_instead(world: World) -> None:
    strategy: dict[str, object] = {"type": "RollingUpdate", "maxUnavailable": 0, "maxSurge": 1}

    counts = list(roll_out(world, strategy, most=3))

    assert max(there for there, _ in counts) == 3
    assert min(ready for _, ready in counts) == 2
    settled(world)


def test_workers_that_leave_for_a_lowered_maximum_get_no_successors_though_they_are_outdated(
    world: World,
) -> None:
    world.user.create(ONE, 3, drainTimeoutSeconds=20)
    world.run(60.0)

    world.user.change_pods(ONE, 1)
    world.user.set(ONE, "maxWorkers", 0)
    world.run(10.0)

    assert workers(world) == []
    settled(world)


def test_a_creation_of_which_nobody_knows_is_not_made_up_for_by_another_pod(world: World) -> None:
    world.user.create(ONE, 0)
    world.run(10.0)
    world.user.restart(ONE, 1)
    world.run(200.0)  # the names of pods that are gone are forgotten by then, their numbers with them
    for replica in world.replicas:
        replica.line.lags["pods"] = 1.0
    world.armed += [
        Arming(Fate.FAULT, Verb.CREATE, "pods", times=3),
        Arming(Fate.UNANSWERED, Verb.CREATE, "pods"),
    ]

    world.user.restart(ONE, 1)
    world.run(1.0)
    assert not world.server.pods, "the head that was is gone, and nobody has heard of it yet"
    world.user.set(ONE, "maxWorkers", 7)
    heads = 0
    for _ in range(100):
        world.run(0.1)
        heads = max(heads, sum(not pod.deleting for pod in world.server.pods.values()))

    assert heads == 1
    settled(world)


def test_a_new_leader_has_workers_drained_also_while_the_head_is_not_ready_for_a_moment(world: World) -> None:
    world.user.create(ONE, 2, drainTimeoutSeconds=20)
    world.run(10.0)
    for node in world.ray.workers():
        world.ray.set_busy(node, busy=True)

    world.nodes.fail_probe(head(world), 30.0)
    world.take_over()
    world.user.set(ONE, "suspend", value=True)
    world.run(5.0)

    assert len(workers(world)) == 2
    assert all(node.draining for node in world.ray.workers() if node.pod != head(world).name)
    settled(world)
