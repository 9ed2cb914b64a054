"""Who leads, on a real API server: crashes, a leader that was stopped, a stolen lease, and what people see of it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from e2e.election.audit import writes
from e2e.election.launch import SLOWLY, WORKERS, has_workers, launch, stop_at
from e2e.election.replicas import replicas
from e2e.namespace import Namespace
from e2e.operator_process import wait_for

pytestmark = pytest.mark.apiserver

LONG = ("--lease-duration=120", "--renew-deadline=90", "--retry-period=0.5")
"""Whoever waits for this lease is seen to wait."""
SHORT = ("--lease-duration=3", "--renew-deadline=2", "--retry-period=0.3")


def marked(space: Namespace) -> list[str]:
    """Return the pods that have the leader's label."""
    pods = space.get("pods", "-l", "cluster.ray.io/leader=true")["items"]
    return [pod["metadata"]["name"] for pod in pods]


def test_a_crash_is_waited_out_until_the_kubelet_has_seen_it(space: Namespace) -> None:
    with replicas(space, 2, *LONG) as (leader, standby):
        leader.process.send(signal.SIGKILL)
        leader.process.wait()
        time.sleep(2)  # nobody but the kubelet can know; a standby that did not wait would lead by now
        assert not standby.leads()

        leader.report_end()
        wait_for("the standby to lead", standby.leads)

        assert standby.process.log(f"leading as .*: the container of {leader.identity} has ended")
        space.apply("one")
        wait_for("its work", lambda: len(space.pods("one")) == 3)


def test_people_see_which_replica_leads_and_why(space: Namespace) -> None:
    with replicas(space, 2, *LONG) as (first, second):
        wait_for("the label", lambda: marked(space) == ["replica-0"])
        assert (first.metric("rayctl_leader"), second.metric("rayctl_leader")) == (1, 0)
        assert first.page("readyz") == (200, "ok\nthis replica leads\n")
        assert second.page("readyz") == (200, f"ok\nstandby; {first.identity} leads\n")

        first.process.send(signal.SIGTERM)
        wait_for("the other to lead", second.leads)

        wait_for("the label", lambda: marked(space) == ["replica-1"])
        wait_for("the metric", lambda: second.metric("rayctl_leader") == 1)
        assert second.page("readyz") == (200, "ok\nthis replica leads\n")
        told = f"{second.identity} leads: nobody held the lease"
        wait_for("an Event", lambda: told in space.kubectl("describe", "lease", "ray-operator"))
        assert f"{first.identity} leads: there was no lease" in space.kubectl("describe", "lease")
        assert space.get("lease", "ray-operator")["spec"]["leaseTransitions"] == 1


def test_a_leader_that_was_stopped_past_its_lease_writes_nothing_says_so_and_stands_by(
    space: Namespace,
) -> None:
    with replicas(space, 2, *SHORT, SLOWLY) as (stopped, other):
        launch(space, "one")
        made = stop_at(space, "one", 5, stopped.process)
        wait_for("the other to lead", other.leads)
        wait_for("its work", lambda: has_workers(space, "one", made + 5))

        stopped.process.send(signal.SIGCONT)

        wait_for("word of it", lambda: bool(stopped.process.log("not leading any more")))
        wait_for(
            "a standby", lambda: stopped.page("readyz") == (200, f"ok\nstandby; {other.identity} leads\n")
        )
        wait_for("the other's work", lambda: has_workers(space, "one", WORKERS), timeout=60)
        other.process.send(signal.SIGTERM)
        wait_for("it to lead again", stopped.leads)
        space.apply("two")
        wait_for("its work", lambda: len(space.pods("two")) == 3)

    assert made < WORKERS, "the launch was over before it was stopped"
    # Names alone would keep it from making anything twice; it must not even try.
    done = writes(space.cluster, space.name)
    renewals = [
        number for number, write in enumerate(done) if write.resource == "leases" and write.code < 300
    ]
    took = next(number for number in renewals if other.identity in done[number].agent)
    again = next(number for number in renewals if number > took and stopped.identity in done[number].agent)
    late = [write for write in done[took:again] if stopped.identity in write.agent]
    assert [write for write in late if write.resource != "leases"] == []
    assert any(stopped.identity in write.agent for write in done[again:])


def test_a_leader_whose_lease_is_stolen_stops_within_a_second_and_stays_ready(space: Namespace) -> None:
    with replicas(space, 1, *SHORT) as (leader,):
        # Who holds a lease by hand holds it for as long as the record says.
        theft = json.dumps({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 4}})
        space.kubectl("patch", "lease", "ray-operator", "--type=merge", "-p", theft)
        stolen = time.monotonic()
        wait_for("it to stop", lambda: leader.metric("rayctl_leader") == 0)
        took = time.monotonic() - stolen

        assert took < 1.5  # a second, and the time that it takes to ask
        assert leader.page("readyz") == (200, "ok\nstandby; thief leads\n")
        wait_for("it to lead again", lambda: leader.metric("rayctl_leader") == 1)
        assert leader.process.log("leading as .*: thief did not renew the lease for 4 s")


def test_the_lease_may_have_another_name(space: Namespace) -> None:
    rule = [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "list", "watch", "update"],
        }
    ]
    patch = json.dumps([{"op": "add", "path": "/rules/-", "value": rule[0]}])
    space.kubectl("patch", "role", "ray-operator-role", "--type=json", "-p", patch)

    with replicas(space, 1, "--lease-name=of-mine", *SHORT):
        spec = space.get("lease", "of-mine")["spec"]

    assert spec["leaseDurationSeconds"] == 3
    assert "ray-operator" not in space.kubectl("get", "leases", "-o", "name")
