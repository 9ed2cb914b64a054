"""A leader that has lost its right and does not know it yet: Ray, too, is told nothing by it any more.

What it would write to the API server, the writer refuses (unit/kube/test_writer.py).
"""

from collections.abc import Iterator

import pytest

from rayctl.api.moment import Monotonic
from unit.simulation.world import World

ONE = "one"


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.mark.parametrize("lost", [False, True], ids=["it still leads", "its lease has run out"])
def test_ray_is_told_what_to_do_by_a_replica_that_leads_alone(world: World, *, lost: bool) -> None:
    world.user.create(ONE, 2)
    world.run(20.0)
    (leader,) = world.leaders
    (store,) = world.ray.stores.values()
    world.nodes.full_until = world.loop.time() + 30.0
    world.user.scale(ONE, 1, 3, None)
    world.run(20.0)
    reported = store.reported
    if lost:
        leader._valid_until = Monotonic(float("-inf"))

    world.run(60.0)  # there is room for the third worker again, so Ray is to be told that it has come
    assert (store.reported > reported) is not lost
    world.user.change_pods(ONE, 1)  # its workers are to be replaced, and drained before
    world.run(60.0)
    assert any(node.draining for node in store.nodes.values()) is not lost
