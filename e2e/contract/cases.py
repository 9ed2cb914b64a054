"""What rayctl.kube takes for granted of an API server, as tests that run on the real one and on the fake.

``api`` is a namespace of either. On the real one: e2e/contract/test_contract.py; on the fake, without a
cluster: unit/kube/test_contract.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from e2e.contract.api import (
    CLOCK,
    NOBODY,
    QUICK,
    Api,
    a_lease,
    a_pod,
    a_service,
    no_more_than,
    running_cache,
    until,
)
from rayctl.api.names import LABEL_CLUSTER, LABEL_LEADER, PodName
from rayctl.api.observed import ClusterView
from rayctl.core.election.events import Seen
from rayctl.core.reconcile.actions import Note, Reason
from rayctl.kube.decode import Page, read
from rayctl.kube.errors import AlreadyExists, Conflict, Fenced, Invalid, NotFound
from rayctl.kube.events import Events
from rayctl.kube.resource import (
    EVENTS,
    LEASES,
    PODS,
    RAYCLUSTERS,
    SERVICES,
    Call,
    ContentType,
    Verb,
)
from rayctl.kube.writer import Writer


async def test_a_pod_that_is_created_changed_and_deleted_is_so_in_the_cache(api: Api) -> None:
    key = api.key("seen")
    async with running_cache(api) as cache:
        made = await api.writer.create_pod(api.namespace, a_pod("seen-1", "seen"))
        await until(lambda: cache.list_pods(key))
        await api.send(
            Verb.PATCH,
            PODS,
            "seen-1",
            body={"metadata": {"annotations": {"cluster.ray.io/ordinal": "4"}}},
            content_type=ContentType.MERGE,
        )
        await until(lambda: cache.list_pods(key)[0].ordinal == 4)
        await api.writer.delete_pod(key, made.name, made.uid)
        await until(lambda: not cache.list_pods(key))


async def test_a_pod_without_the_label_is_not_seen_and_one_that_loses_it_is_seen_no_more(api: Api) -> None:
    await api.writer.create_pod(api.namespace, a_pod("unlabelled"))
    await api.writer.create_pod(api.namespace, a_pod("labelled", "label"))

    async with running_cache(api) as cache:
        assert [pod.name for pod in cache.list_pods(api.key("label"))] == ["labelled"]
        body = {"metadata": {"labels": {LABEL_CLUSTER: None}}}
        await api.send(Verb.PATCH, PODS, "labelled", body=body, content_type=ContentType.MERGE)
        await until(lambda: not cache.list_pods(api.key("label")))


async def test_the_cache_catches_up_with_what_was_written_before(api: Api) -> None:
    async with running_cache(api) as cache:
        for number in range(5):
            await api.writer.create_pod(api.namespace, a_pod(f"late-{number}", "late"))

        await cache.catch_up()

        assert len(cache.list_pods(api.key("late"))) == 5


async def test_an_accepted_answer_is_not_undone_by_the_stream_nor_outlives_a_deletion(api: Api) -> None:
    key = api.key("own")
    async with running_cache(api) as cache:
        made = await api.writer.create_pod(api.namespace, a_pod("own-1", "own"))
        cache.accept(made)
        assert [pod.uid for pod in cache.list_pods(key)] == [made.uid]
        gone = await api.writer.delete_pod(key, made.name, made.uid)
        await until(lambda: not cache.list_pods(key))
        cache.accept(made)
        if gone is not None:
            cache.accept(gone)
        assert cache.list_pods(key) == ()


async def test_a_name_that_is_taken_says_so(api: Api) -> None:
    await api.writer.create_pod(api.namespace, a_pod("twice"))

    with pytest.raises(AlreadyExists):
        await api.writer.create_pod(api.namespace, a_pod("twice"))

    assert (await api.writer.read_pod(api.namespace, PodName("twice"))).name == "twice"


async def test_a_pod_that_is_wrong_is_refused_with_the_fields_that_are(api: Api) -> None:
    with pytest.raises(Invalid, match=r"spec\.containers: Required value") as caught:
        await api.writer.create_pod(api.namespace, a_pod("wrong", containers=[]))

    assert caught.value.fields == ("spec.containers",)


async def test_only_the_pod_of_that_uid_is_deleted(api: Api) -> None:
    made = await api.writer.create_pod(api.namespace, a_pod("mine"))
    key = api.key("any")

    assert await api.writer.delete_pod(key, made.name, NOBODY) is None
    assert (await api.writer.read_pod(api.namespace, made.name)).uid == made.uid
    assert await api.writer.delete_pod(key, made.name, made.uid) is not None
    assert await api.writer.delete_pod(key, made.name, made.uid) is None


async def test_a_status_is_written_to_that_very_cluster_and_to_no_namesake(api: Api) -> None:
    uid = await api.a_cluster("status")
    key = api.key("status")

    written = await api.writer.write_status(key, uid, {"phase": "Running"})

    assert (written.uid, written.status.phase) == (uid, "Running")
    with pytest.raises(Conflict):
        await api.writer.write_status(key, NOBODY, {"phase": "Error"})
    with pytest.raises(NotFound):
        await api.writer.write_status(api.key("nowhere"), uid, {"phase": "Error"})
    stored = await api.send(Verb.GET, RAYCLUSTERS, "status")
    assert stored["status"]["phase"] == "Running"
    assert stored["metadata"]["generation"] == 1


async def test_a_service_is_applied_again_without_a_change(api: Api) -> None:
    first = await api.writer.apply_service(api.namespace, a_service("applied", "apply"))
    second = await api.writer.apply_service(api.namespace, a_service("applied", "apply"))

    assert second == first
    assert first.key == api.key("apply")


async def test_a_field_of_others_survives_an_apply(api: Api) -> None:
    await api.writer.apply_service(api.namespace, a_service("shared", "apply"))
    body = {"metadata": {"annotations": {"theirs": "kept"}}}
    await api.send(Verb.PATCH, SERVICES, "shared", body=body, content_type=ContentType.MERGE)

    await api.writer.apply_service(api.namespace, a_service("shared", "apply"))

    assert (await api.send(Verb.GET, SERVICES, "shared"))["metadata"]["annotations"] == {"theirs": "kept"}


async def test_a_shut_fence_lets_no_write_out(api: Api) -> None:
    shut = Writer(api.client, CLOCK.monotonic, CLOCK)

    with pytest.raises(Fenced):
        await shut.create_pod(api.namespace, a_pod("fenced"))

    with pytest.raises(NotFound):
        await api.writer.read_pod(api.namespace, PodName("fenced"))


async def test_pages_of_a_list_make_a_whole_of_one_version(api: Api) -> None:
    for number in range(5):
        await api.writer.create_pod(api.namespace, a_pod(f"page-{number}", "paged"))

    names, versions, token = [], set(), ""
    while True:
        query = {"labelSelector": f"{LABEL_CLUSTER}=paged", "limit": "2", "continue": token}
        call = Call(verb=Verb.LIST, resource=PODS, namespace=api.namespace, query=query)
        page = read(await api.client.send(call), Page)
        names += [orjson.loads(bytes(item))["metadata"]["name"] for item in page.items or ()]
        versions.add(page.metadata.resource_version)
        token = page.metadata.continue_ or ""
        if not token:
            break

    assert names == [f"page-{number}" for number in range(5)]
    assert len(versions) == 1


async def test_a_lease_is_written_by_whoever_knows_its_newest_version(api: Api) -> None:
    store = api.lease_store("cas")
    assert await store.read(5) is None

    made = await store.write(a_lease(), 5)
    with pytest.raises(AlreadyExists):
        await store.write(a_lease("other"), 5)
    renewed = await store.write(replace(made, transitions=7), 5)
    with pytest.raises(Conflict):
        await store.write(replace(made, holder="other"), 5)

    assert made.same(a_lease())
    assert await store.read(5) == renewed
    assert renewed.transitions == 7


async def test_what_others_wrote_into_a_lease_goes_back_as_it_came(api: Api) -> None:
    store = api.lease_store("annotated")
    await store.write(a_lease(), 5)
    body = {"metadata": {"annotations": {"theirs": "kept"}}}
    await api.send(Verb.PATCH, LEASES, "annotated", body=body, content_type=ContentType.MERGE)

    known = await store.read(5)
    assert known is not None
    await store.write(replace(known, holder=""), 5)

    stored = await api.send(Verb.GET, LEASES, "annotated")
    assert stored["metadata"]["annotations"] == {"theirs": "kept"}
    assert not stored["spec"].get("holderIdentity")


async def test_a_lease_that_is_gone_cannot_be_renewed(api: Api) -> None:
    store = api.lease_store("deleted")
    made = await store.write(a_lease(), 5)
    await api.send(Verb.DELETE, LEASES, "deleted")

    with pytest.raises((NotFound, Conflict)):
        await store.write(made, 5)


async def test_the_watch_tells_of_one_lease_alone_from_its_birth_to_its_end(api: Api) -> None:
    store = api.lease_store("watched")
    seen: list[Seen] = []
    task = asyncio.create_task(store.watch(seen.append))
    try:
        await until(lambda: seen)
        await api.lease_store("another").write(a_lease(), 5)
        made = await store.write(a_lease(), 5)
        await until(lambda: seen[-1].lease == made)
        await api.send(Verb.DELETE, LEASES, "watched")
        await until(lambda: seen[-1].lease is None)
    finally:
        task.cancel()
        await asyncio.wait({task})

    assert [event.lease for event in seen] == [None, made, None]
    assert seen[-1].version > made.resource_version


async def test_a_leader_that_ends_hands_over_at_once(api: Api) -> None:
    async def lead() -> None:
        await asyncio.Event().wait()

    async def barrier() -> None:
        return

    first, second = (api.leadership("handed", name) for name in ("first", "second"))
    leading = asyncio.create_task(first.run(lead, barrier))
    await until(lambda: first.is_leader)
    standing_by = asyncio.create_task(second.run(lead, barrier))
    await until(lambda: second.leader == "first")

    with no_more_than(QUICK.renew_deadline):  # that is: not by waiting for the lease to run out
        leading.cancel()
        await until(lambda: second.is_leader)

    assert not first.is_leader
    assert second.transitions == 1
    standing_by.cancel()
    await asyncio.wait({leading, standing_by})
    stored = await api.send(Verb.GET, LEASES, "handed")
    assert not stored["spec"].get("holderIdentity")


async def test_a_leader_whose_container_has_ended_is_followed_at_once(api: Api) -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async def barrier() -> None:
        return

    identity = "crashing_uid_20260101T120000.000000"
    await api.writer.create_pod(api.namespace, a_pod("crashing"))
    await api.lease_store("crashed").write(replace(a_lease(identity), duration=600), 5)
    standby = api.leadership("crashed", "standby")
    standing_by = asyncio.create_task(standby.run(work, barrier))
    await until(lambda: standby.leader == identity)

    # As the kubelet writes it; nothing here runs pods.
    ended = {"exitCode": 137, "reason": "Error", "message": identity}
    status = {"name": "ray", "ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    body = {"status": {"containerStatuses": [status | {"state": {"terminated": ended}}]}}
    content_type = ContentType.MERGE
    await api.send(Verb.PATCH, PODS, "crashing", subresource="status", body=body, content_type=content_type)
    await until(lambda: standby.is_leader)

    assert standby.won_by == f"the container of {identity} has ended"
    standing_by.cancel()
    await asyncio.wait({standing_by})


async def test_a_note_becomes_an_event_about_the_cluster(api: Api) -> None:
    uid = await api.a_cluster("noted")
    events = Events(api.writer, CLOCK, "me")
    async with running_cache(api) as cache:
        view = cache.find_cluster(api.key("noted"))
    assert isinstance(view, ClusterView)

    events.tell(view, Note(Reason.POD_ENDED, "it ended", warning=True))
    events.tell(view, Note(Reason.POD_ENDED, "it ended", warning=True))
    task = asyncio.create_task(events.run())
    try:
        await asyncio.wait_for(events.sent(), 10)
    finally:
        task.cancel()
        await asyncio.wait({task})

    listed = (await api.send(Verb.LIST, EVENTS))["items"]
    ours = [event for event in listed if event["involvedObject"]["uid"] == uid]
    assert [(event["type"], event["reason"], event["message"]) for event in ours] == [
        ("Warning", "PodEnded", "it ended")
    ]


async def test_the_leaders_label_is_on_one_pod_alone(api: Api) -> None:
    await api.writer.create_pod(api.namespace, a_pod("replica-a"))
    await api.writer.create_pod(api.namespace, a_pod("replica-b"))

    await api.writer.mark_leader(api.namespace, "replica-a")
    await api.writer.mark_leader(api.namespace, "replica-b")

    labels = {
        name: (await api.send(Verb.GET, PODS, name))["metadata"].get("labels") or {}
        for name in ("replica-a", "replica-b")
    }
    assert LABEL_LEADER not in labels["replica-a"]
    assert labels["replica-b"][LABEL_LEADER] == "true"
