"""The controller on the wire: what it makes, what it retries, and that one cluster's fault is no other's."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

import grpc
import pytest

from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.reconcile.actions import Decision
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.seen import Observed
from rayctl.gcs.channel import Method
from rayctl.loops import controller as controller_module
from unit.builders import a_cluster_document
from unit.fakes.apiserver import answer, lost
from unit.fakes.gcs import Act, hang, refuse
from unit.fakes.objects import Place
from unit.loops.conftest import World
from unit.waiting import comes_true

QUOTA = 'pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'


async def test_a_cluster_gets_its_pods_its_service_its_status_and_an_event(world: World) -> None:
    world.have("one", workers=2)

    await comes_true(lambda: len(world.pods("one")) == 3 and world.status("one"))

    assert world.server.objects.get(Place("services", "ray", "one-ray-head"))
    assert world.status("one")["desiredWorkers"] == 2
    await comes_true(lambda: world.server.count("create", "events"))


async def test_a_cluster_that_is_quick_costs_one_status_and_one_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "STATUS_INTERVAL", 60.0)
    world.have("one", workers=2)
    await comes_true(lambda: len(world.pods("one")) == 3)

    for pod in world.pods("one"):
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        world.server.objects.merge(
            Place("pods", "ray", pod["metadata"]["name"]), {"status": ready}, status=True
        )
    await comes_true(lambda: world.status("one").get("phase") == "Running")
    await comes_true(lambda: world.server.count("create", "events"))

    assert world.server.count("patch", "rayclusters") == 1
    assert world.server.count("create", "events") == 1


async def test_while_a_crowd_waits_no_call_is_spent_on_what_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "_CROWD", 0)
    monkeypatch.setattr(controller_module, "CROWDED_INTERVAL", 60.0)
    world.have("one", workers=2)
    await comes_true(lambda: len(world.pods("one")) == 3)
    await asyncio.sleep(0.3)  # six of the usual intervals
    assert world.status("one") == {}

    world.make_ready("one")
    await comes_true(lambda: world.status("one").get("phase") == "Running")


async def test_a_crowd_is_no_reason_to_go_on_saying_running(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "_CROWD", 0)
    monkeypatch.setattr(controller_module, "CROWDED_INTERVAL", 60.0)
    world.have("one", workers=2)
    await comes_true(lambda: len(world.pods("one")) == 3)
    world.make_ready("one")
    await comes_true(lambda: world.status("one").get("phase") == "Running")

    worker = next(pod for pod in world.pods("one") if "-worker-" in pod["metadata"]["name"])
    world.server.objects.delete(Place("pods", "ray", worker["metadata"]["name"]), {})

    await comes_true(lambda: world.status("one")["phase"] != "Running")


async def test_counts_that_change_are_told_less_often_than_what_somebody_may_wait_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.have("one", workers=3)
    await comes_true(lambda: len(world.pods("one")) == 4 and world.status("one").get("phase") == "Starting")
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    monkeypatch.setattr(controller_module, "COUNTS_INTERVAL", 60.0)
    written = world.server.count("patch", "rayclusters")
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    head, *workers = sorted(
        (pod["metadata"]["name"] for pod in world.pods("one")), key=lambda name: "-head-" not in name
    )

    for worker in workers[:2]:
        world.server.objects.merge(Place("pods", "ray", worker), {"status": ready}, status=True)
    await asyncio.sleep(0.3)  # six of the shorter intervals
    counts_alone = world.server.count("patch", "rayclusters")
    world.server.objects.merge(Place("pods", "ray", head), {"status": ready}, status=True)
    await comes_true(lambda: world.status("one")["head"]["ready"])

    assert counts_alone == written
    assert world.status("one")["readyWorkers"] == 2


async def test_a_new_leader_begins_with_what_somebody_waits_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = ("one", "two", "three")
    for name in settled:
        world.have(name)
    await comes_true(lambda: all(len(world.pods(name)) == 2 for name in settled))
    for name in settled:
        world.make_ready(name)
    await comes_true(lambda: all(world.status(name).get("phase") == "Running" for name in settled))
    await world.stop_leading()
    world.have("waiting")
    await comes_true(lambda: len(world.cache.list_clusters()) == 4)
    looked_at: list[str] = []

    def note(cluster: RayCluster, *rest: Any) -> Decision:
        looked_at.append(cluster.key.name)
        return decide(cluster, *rest)

    monkeypatch.setattr(controller_module, "decide", note)
    world.lead_again(workers=1)
    await comes_true(lambda: set(looked_at) == {*settled, "waiting"})

    assert looked_at[0] == "waiting"


async def test_a_head_of_an_earlier_cluster_of_the_name_is_none_of_the_services(world: World) -> None:
    world.have("one", workers=0)
    await comes_true(lambda: world.pods("one"))
    place = Place("pods", "ray", world.pods("one")[0]["metadata"]["name"])
    world.server.objects.merge(place, {"metadata": {"finalizers": ["it/hangs"]}})

    world.server.objects.delete(Place("rayclusters", "ray", "one"), {})
    await comes_true(lambda: not world.cache.list_clusters())
    world.have("one", workers=0)
    await comes_true(lambda: len(world.pods("one")) == 2 and world.status("one").get("head"))

    service = world.server.objects.get(Place("services", "ray", "one-ray-head"))
    wanted = service["spec"]["selector"].items()
    selected = [pod for pod in world.pods("one") if wanted <= pod["metadata"]["labels"].items()]
    assert [pod["metadata"]["name"] for pod in selected] == [world.status("one")["head"]["podName"]]


async def test_a_create_whose_answer_is_lost_makes_nothing_twice(world: World) -> None:
    world.server.fail("create", "pods", lost, times=2)

    world.have("one", workers=2)

    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    assert len(world.pods("one")) == 3


async def test_a_quota_is_the_clusters_trouble_and_no_others(world: World) -> None:
    world.server.fail("create", "pods", answer(403, "Forbidden", QUOTA), times=1)
    world.have("one")
    await comes_true(lambda: world.status("one").get("phase") == "Error")
    refused = world.server.count("create", "pods")

    world.have("two")
    await comes_true(lambda: len(world.pods("two")) == 2)

    conditions = {condition["type"]: condition for condition in world.status("one")["conditions"]}
    assert "exceeded quota: few" in conditions["HeadReady"]["message"]
    assert refused == 1, "what the server refused for good is not asked again at once"


async def test_pods_that_keep_ending_are_replaced_more_and_more_slowly(world: World) -> None:
    world.have("one", workers=1)

    def end_the_worker() -> bool:
        for pod in world.pods("one"):
            if pod["metadata"]["labels"]["ray-node-type"] == "worker" and pod["status"]["phase"] != "Failed":
                place = Place("pods", "ray", pod["metadata"]["name"])
                world.server.objects.merge(place, {"status": {"phase": "Failed"}}, status=True)
        return world.status("one").get("phase") == "Error"

    await comes_true(end_the_worker)
    await comes_true(lambda: len(world.pods("one")) == 1)

    conditions = {condition["type"]: condition for condition in world.status("one")["conditions"]}
    assert conditions["WorkersReady"]["reason"] == "PodEnded"


async def test_a_pod_whose_label_was_taken_off_is_told_and_makes_no_hot_loop(world: World) -> None:
    world.have("one", workers=1)
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    worker = next(p for p in world.pods("one") if p["metadata"]["labels"]["ray-node-type"] == "worker")
    before = world.server.count("create", "pods")

    place = Place("pods", "ray", worker["metadata"]["name"])
    world.server.objects.merge(place, {"metadata": {"labels": {"ray-cluster-name": "quarantine"}}})
    await comes_true(lambda: world.status("one").get("phase") == "Error")

    conditions = {condition["type"]: condition for condition in world.status("one")["conditions"]}
    assert "has lost its label ray-cluster-name=one" in conditions["WorkersReady"]["message"]
    assert world.server.count("create", "pods") - before <= 2


async def test_a_service_that_hangs_in_terminating_makes_no_hot_loop(world: World) -> None:
    world.have("one", workers=0)
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    place = Place("services", "ray", "one-ray-head")

    world.server.objects.merge(place, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:30Z"}})
    await comes_true(lambda: world.server.count("patch", "services") >= 2)
    await asyncio.sleep(1.5)  # a rate needs a time: with the back-off three tries, without it a thousand

    assert world.server.count("patch", "services") < 10


async def test_workers_that_are_lost_together_are_one_failure_and_come_back_at_once(world: World) -> None:
    world.have("one", workers=8)
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    workers = [p for p in world.pods("one") if p["metadata"]["labels"]["ray-node-type"] == "worker"]
    await asyncio.sleep(1.0)  # not lost in the second in which they were made: the API tells whole ones

    for worker in workers:
        place = Place("pods", "ray", worker["metadata"]["name"])
        world.server.objects.merge(place, {"status": {"phase": "Failed"}}, status=True)
        await asyncio.sleep(0.02)
    lost = {worker["metadata"]["uid"] for worker in workers}
    await comes_true(
        lambda: (
            len(world.pods("one")) == 9 and lost.isdisjoint(p["metadata"]["uid"] for p in world.pods("one"))
        )
    )

    assert world.status("one")["phase"] != "Error"


async def test_what_may_pass_is_tried_again(world: World) -> None:
    world.server.fail("create", "pods", answer(500, "InternalError", "etcd is busy"), times=2)

    world.have("one", workers=1)

    await comes_true(lambda: len(world.pods("one")) == 2)


async def test_a_slice_is_made_up_for_what_could_not_be_made_of_it(world: World) -> None:
    asked = count(1)
    busy = answer(500, "InternalError", "etcd is busy")
    world.server.fail("create", "pods", busy, times=10**6, only=lambda _: next(asked) % 6 == 0)
    kinds = a_cluster_document()["spec"]["podTypes"]
    kinds[1] |= {"minWorkers": 8, "numOfHosts": 8}

    world.have("one", maxWorkers=8, podTypes=kinds)

    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    assert len(world.pods("one")) == 9
    assert world.server.count("create", "pods") < 20
    assert not world.server.count("delete", "pods")


async def test_a_fault_of_ours_with_one_cluster_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="rayctl")

    def faulty(
        cluster: RayCluster, seen: Observed, targets: Targets, now: datetime, leave: Iterable[Leave] | None
    ) -> Decision:
        if cluster.key.name == "bad":
            raise ZeroDivisionError("ours")
        return decide(cluster, seen, targets, now, leave)

    monkeypatch.setattr(controller_module, "decide", faulty)

    world.have("bad")
    world.have("good")

    await comes_true(lambda: len(world.pods("good")) == 2)
    assert not world.pods("bad")
    assert any("Reconciling failed" in record.getMessage() for record in caplog.records)


async def test_a_spec_that_cannot_be_understood_is_told_in_its_status(world: World) -> None:
    document = a_cluster_document(1, name="odd", headPodType="none-such")
    world.server.objects.create(Place("rayclusters", "ray", "odd"), document)

    await comes_true(lambda: world.status("odd"))

    (accepted,) = world.status("odd")["conditions"]
    assert (accepted["type"], accepted["status"]) == ("Accepted", "False")
    assert "spec.headPodType" in accepted["message"]
    assert not world.pods("odd")


async def test_a_wrong_edit_leaves_a_cluster_as_it_was_and_what_ends_there_is_replaced(world: World) -> None:
    place = Place("rayclusters", "ray", "one")
    world.have("one", workers=2)
    await comes_true(lambda: len(world.pods("one")) == 3)
    world.make_ready("one")
    await comes_true(lambda: world.status("one").get("phase") == "Running")
    before = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in world.pods("one")}

    world.server.objects.merge(place, {"spec": {"headPodType": "none-such"}})
    await comes_true(lambda: world.status("one")["phase"] == "Error")
    worker = next(name for name in before.values() if "-head-" not in name)
    failed = {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}
    world.server.objects.merge(Place("pods", "ray", worker), {"status": failed}, status=True)
    await comes_true(lambda: len(before.keys() & {pod["metadata"]["uid"] for pod in world.pods("one")}) == 2)
    await comes_true(lambda: len(world.pods("one")) == 3)
    await comes_true(lambda: world.status("one")["readyWorkers"] == 1)

    told = next(one for one in world.status("one")["conditions"] if one["type"] == "Accepted")
    assert (told["status"], told["observedGeneration"]) == ("False", 2)
    assert "spec.headPodType" in told["message"]
    assert (world.status("one")["phase"], world.status("one")["observedGeneration"]) == ("Error", 1)
    assert world.status("one")["desiredWorkers"] == 2

    world.server.objects.merge(place, {"spec": {"headPodType": "head-node"}})
    world.make_ready("one")
    await comes_true(lambda: world.status("one")["phase"] == "Running")
    assert world.status("one")["observedGeneration"] == 3


async def test_a_quiet_cluster_costs_no_calls(world: World) -> None:
    world.have("one", workers=1)
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    writes = [asked for asked in world.server.asked if asked.verb in {"create", "update", "patch", "delete"}]

    world.have("two", workers=1)
    await comes_true(lambda: world.status("two").get("observedGeneration") == 1)

    later = [asked for asked in world.server.asked if asked.verb in {"create", "update", "patch", "delete"}]
    assert not [asked for asked in later[len(writes) :] if "one" in asked.name]


async def test_a_cluster_on_its_way_out_says_so(world: World) -> None:
    world.have("one", workers=0)
    await comes_true(lambda: world.status("one").get("observedGeneration") == 1)
    place = Place("rayclusters", "ray", "one")

    world.server.objects.merge(place, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:30Z"}})

    await comes_true(lambda: world.status("one")["phase"] == "Terminating")


@pytest.mark.parametrize(
    "act", [refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"), hang], ids=["refuses", "hangs"]
)
async def test_workers_come_although_ray_does_not_take_the_report_of_it(world: World, act: Act) -> None:
    world.have("one", workers=0)
    await comes_true(lambda: world.pods("one"))
    world.make_ready("one")
    await comes_true(lambda: world.ray.count(Method.READ_STATE) > 1)
    world.ray.fail(Method.REPORT, act, times=2)

    world.ray.ask({"CPU": 1.0})

    await comes_true(lambda: len(world.pods("one")) == 2)
    await comes_true(lambda: world.ray.count(Method.REPORT) > 2)
