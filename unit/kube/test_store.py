"""Records by cluster, and who is told of what."""

import msgspec

from rayctl.api.names import ClusterKey
from rayctl.api.observed import PodView
from rayctl.kube.store import Scope, Store
from unit.builders import KEY, a_pod

OTHER = ClusterKey(KEY.namespace, "other")


def a_store(*pods: PodView) -> tuple[Store[PodView], list[ClusterKey]]:
    told: list[ClusterKey] = []
    store: Store[PodView] = Store(told.append)
    for pod in pods:
        store.put(pod)
    told.clear()
    return store, told


def names(store: Store[PodView], key: ClusterKey = KEY) -> set[str]:
    return {pod.name for pod in store.list_of(key)}


def test_a_new_pod_is_told() -> None:
    store, told = a_store()

    store.put(a_pod("a"))

    assert (names(store), told, len(store)) == ({"a"}, [KEY], 1)


def test_a_new_version_alone_is_no_change() -> None:
    store, told = a_store(a_pod("a", resource_version=1))

    store.put(a_pod("a", resource_version=2))
    assert told == []
    store.put(a_pod("a", resource_version=3, ready=False))
    assert told == [KEY]


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    store, told = a_store(a_pod("a", resource_version=2, ready=True))

    store.put(a_pod("a", resource_version=1, ready=False))

    assert store.list_of(KEY)[0].ready
    assert told == []


def test_a_pod_whose_label_changes_passes_from_one_cluster_to_the_other() -> None:
    store, told = a_store(a_pod("a", resource_version=1))

    store.put(a_pod("a", resource_version=2, key=OTHER))

    assert (names(store), names(store, OTHER), told) == (set(), {"a"}, [KEY, OTHER])


def test_removing_what_is_not_there_is_told_to_nobody() -> None:
    store, told = a_store()

    store.remove(a_pod("a"))

    assert told == []


def test_a_deletion_does_not_remove_a_newer_namesake() -> None:
    store, told = a_store(a_pod("a", resource_version=3))

    store.remove(a_pod("a", resource_version=2))

    assert (names(store), told) == ({"a"}, [])


def test_a_list_replaces_what_it_does_not_have_but_not_what_is_newer() -> None:
    store, told = a_store(a_pod("old", resource_version=5), a_pod("newer", resource_version=11))

    store.replace("ray", (a_pod("listed", resource_version=9),), 10)

    assert names(store) == {"listed", "newer"}
    assert set(told) == {KEY}


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    elsewhere = msgspec.structs.replace(a_pod("b"), key=ClusterKey("elsewhere", "c"))
    store, _ = a_store(a_pod("a"), elsewhere)

    Scope(store, "ray").replace((), 10)

    assert [pod.name for pod in store.list_all()] == ["b"]
    Scope(store, "").clear()
    assert store.list_all() == ()
