"""Five minutes without the API server: few questions, no decision on what is not known, and then all at once.

The leader goes on leading here, as if its lease were renewed by another way: so it has more to ask, and more
to decide wrongly, than one that stops when its lease has run out.
"""

from collections.abc import Callable, Iterator

import pytest

from rayctl.api.moment import Seconds
from rayctl.api.names import Role
from rayctl.kube.errors import Forbidden, Garbled, KubeError, ServerFault, Throttled, Unreachable
from rayctl.kube.resource import Call
from unit.simulation.world import World

ONE = "one"

AWAY: Seconds = 300.0
A_SECOND = 1.5
"""Three watches, tried each 2.5 s at least, are 1.2 a second; the passes and the first, quicker tries come on top."""
BACK_WITHIN: Seconds = 15.0

outages = pytest.mark.parametrize(
    ("outage", "takes"),
    [
        pytest.param(lambda call: Unreachable(call, "connection refused"), 0.005, id="nobody listens"),
        pytest.param(
            lambda call: Garbled(call, "HTTP 200 with text/html"), 0.005, id="a proxy answers with HTML"
        ),
        pytest.param(lambda call: ServerFault(call, 500, "InternalError", "etcd is away"), 0.005, id="500"),
        pytest.param(lambda call: Throttled(call, 429, "TooManyRequests", "later", 1), 0.005, id="429"),
        pytest.param(lambda call: Unreachable(call, "no answer within 10 s"), 10.0, id="no answer comes"),
    ],
)


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def _knows_no_rights_yet(call: Call) -> KubeError:
    """As a real one, measured: for a second after its start, and for longer here, so that nobody misses it."""
    return Forbidden(call, 403, "Forbidden", f'User "x" cannot {call.verb} resource "{call.resource.plural}"')


@outages
def test_it_is_asked_seldom_and_all_that_was_missed_is_done_within_seconds_of_its_return(
    world: World, outage: Callable[[Call], KubeError], takes: Seconds
) -> None:
    world.user.create(ONE, 2)
    world.run(20.0)
    before = {pod.uid for pod in world.server.pods.values()}
    for replica in world.replicas:
        replica.line.go_away(outage, takes)
    asked = [replica.line.asked for replica in world.replicas]

    world.run(AWAY / 2)
    world.user.scale(ONE, 1, 3, None)
    head = next(pod for pod in world.server.pods.values() if pod.role is Role.HEAD)
    world.ray.waiting[head.ip] = 5
    world.run(AWAY / 2)
    rates = [(one.line.asked - so_far) / AWAY for one, so_far in zip(world.replicas, asked, strict=True)]
    assert {pod.uid for pod in world.server.pods.values()} == before
    for replica in world.replicas:
        replica.line.outage = _knows_no_rights_yet
    world.run(6.0)
    world.user.scale(ONE, 1, 4, None)
    for replica in world.replicas:
        replica.line.outage = None
    world.run(BACK_WITHIN)

    assert max(rates) <= A_SECOND
    assert sum(pod.role is Role.WORKER for pod in world.server.pods.values()) >= 4
    assert before <= {pod.uid for pod in world.server.pods.values()}, "what ran goes on running"
    world.heal()
    world.settle()
