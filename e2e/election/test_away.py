"""A real API server that is killed and comes back: few attempts, flat memory, and work within seconds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from e2e.cluster import Component
from e2e.election.replicas import Replica, replicas
from e2e.namespace import Namespace
from e2e.operator_process import wait_for

pytestmark = pytest.mark.apiserver

AWAY = 25.0
"""Seconds: longer than the leader's right lasts without a renewal, and than the first, quicker attempts."""
A_SECOND = 4.0
"""Requests. Five watches are tried each 2.5 s at least, the Lease each second."""


def resident_mib(replica: Replica) -> float:
    """Return the memory that a replica has."""
    (line,) = (
        line
        for line in Path(f"/proc/{replica.process.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1024


def test_without_an_api_server_little_is_asked_and_with_one_work_goes_on_within_seconds(
    space: Namespace,
) -> None:
    with replicas(space, 2, "--lease-duration=4", "--renew-deadline=3", "--retry-period=1") as running:
        space.apply("one")
        wait_for("three pods", lambda: len(space.pods("one")) == 3)
        pods = {pod["metadata"]["uid"] for pod in space.pods("one")}
        space.cluster.stop(Component.APISERVER)
        try:
            wait_for("nobody to lead", lambda: all(one.metric("rayctl_leader") == 0 for one in running))
            asked = [one.metric("rayctl_api_call_seconds_count") for one in running]
            memory = [resident_mib(one) for one in running]
            time.sleep(AWAY)
            asked = [
                (one.metric("rayctl_api_call_seconds_count") - before) / AWAY
                for one, before in zip(running, asked, strict=True)
            ]
            grown = [resident_mib(one) - before for one, before in zip(running, memory, strict=True)]
            assert all(one.ready() for one in running), "they keep what they know"
        finally:
            space.cluster.start(Component.APISERVER)
        space.apply("one", minWorkers=3)
        wait_for("one more worker", lambda: len(space.pods("one")) == 4, timeout=20)
        now = {pod["metadata"]["uid"] for pod in space.pods("one")}

    assert max(asked) < A_SECOND
    assert max(grown) < 4, "MiB"
    assert pods < now
    for one in running:
        assert len(one.process.log("trying on")) < 30, "a problem is told when it comes, not at each attempt"
