"""A roll-out of the operator in the middle of a launch: no worker is lost, and none is made twice."""

from __future__ import annotations

import signal

import pytest

from e2e.election.audit import writes
from e2e.election.launch import SLOWLY, WORKERS, launch, stop_at
from e2e.election.replicas import replicas
from e2e.namespace import Namespace
from e2e.operator_process import wait_for

pytestmark = pytest.mark.apiserver


def test_a_rollout_during_a_launch_of_a_hundred_workers_loses_none_and_doubles_none(
    space: Namespace,
) -> None:
    with replicas(space, 3, SLOWLY) as running:
        launch(space, "one")
        there = 0
        for at_least in (5, 30):  # the third one is what a Deployment starts before it ends the others
            leader = next(one for one in running if one.leads())
            there = stop_at(space, "one", at_least, leader.process)
            leader.process.send(signal.SIGTERM)
            leader.process.send(signal.SIGCONT)
            assert leader.process.wait() == 0
            running.remove(leader)
            wait_for("another leader", lambda: any(one.leads() for one in running))
        wait_for("all workers", lambda: space.count("one", "worker") == WORKERS, timeout=60)
        (last,) = running
        names = {pod["metadata"]["name"] for pod in space.pods("one")}

    assert there < WORKERS, "the launch was over before the roll-out was"
    ours = [
        write
        for write in writes(space.cluster, space.name)
        if write.resource == "pods" and "rayctl/" in write.agent and write.verb != "patch"
    ]
    assert {write.verb for write in ours} == {"create"}
    # One that is cut off as its leader leaves may be told as an error and have made its pod all the same.
    assert {write.name for write in ours} == names
    made = [write.name for write in ours if write.code < 300]
    assert len(made) == len(set(made))
    assert len(names) == WORKERS + 1
    assert len({write.agent for write in ours}) == 3
    assert any(last.identity in write.agent for write in ours)
