"""What a pod type offers: by the spec, then by what its nodes turned out to have."""

from dataclasses import replace

import pytest

from rayctl.core.autoscale.demand import GRAIN
from rayctl.core.autoscale.offer import Learnt, learn, offer_of
from rayctl.core.autoscale.workers import Worker, WorkerState
from unit.builders import a_cluster, a_pod_type
from unit.core.autoscale.situations import A, a_worker, amounts

NOBODY: frozenset[str] = frozenset()
KIND = a_pod_type("a", min_workers=1, max_workers=7, ray_resources={"CPU": 3, "Custom1": 2})
CLUSTER = a_cluster(pod_types=(a_pod_type("head-node"), KIND), idle_timeout_minutes=0.5)


def test_a_type_offers_what_the_spec_says() -> None:
    offer = offer_of(CLUSTER, KIND, "f1", None)

    assert offer.resources["CPU"] == 3 * GRAIN
    assert offer.resources["Custom1"] == 2 * GRAIN
    assert (offer.minimum, offer.maximum, offer.idle_timeout) == (1, 7, 30.0)
    assert (offer.labels, offer.priority) == ({"ray.io/node-group": "a"}, 0)


def test_a_types_own_labels_priority_and_idle_time_out_count() -> None:
    kind = a_pod_type("a", labels={"zone": "north"}, priority=3, idle_seconds=0, hosts=4)

    offer = offer_of(CLUSTER, kind, "f1", None)

    assert offer.labels == {"zone": "north", "ray.io/node-group": "a"}
    assert (offer.priority, offer.idle_timeout, offer.hosts) == (3, 0, 4)


@pytest.mark.parametrize(
    ("fingerprint", "cpus"),
    [
        pytest.param("f1", 5, id="the same template: what its nodes had"),
        pytest.param("f2", 3, id="another template: what the spec says"),
    ],
)
def test_what_nodes_turned_out_to_have_counts_for_their_template(fingerprint: str, cpus: int) -> None:
    learnt = Learnt("f1", amounts(CPU=5))

    assert offer_of(CLUSTER, KIND, fingerprint, learnt).resources["CPU"] == cpus * GRAIN


def a_joined(fingerprint: str = "", **resources: float) -> Worker:
    return a_worker(A, total=amounts(**resources), fingerprint=fingerprint)


def test_the_least_of_what_new_nodes_have_is_learnt_without_their_addresses() -> None:
    one = a_joined(CPU=4, memory=5)
    other = replace(one, pod="other", total={**amounts(CPU=4, memory=4), "node:10.0.0.1": GRAIN})

    assert learn({}, [A], [one, other], NOBODY)[A.name].resources == amounts(CPU=4, memory=4)


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(a_joined("another template", CPU=8), id="of another template"),
        pytest.param(a_worker(A, WorkerState.STARTING), id="not yet there"),
    ],
)
def test_other_nodes_teach_nothing(worker: Worker) -> None:
    assert learn({}, [A], [worker], NOBODY) == {}


def test_what_was_learnt_is_kept_until_the_template_changes() -> None:
    known = {A.name: Learnt("", amounts(CPU=5))}

    assert learn(known, [A], [], NOBODY) == known
    assert learn(known, [replace(A, fingerprint="f2")], [], NOBODY) == {}


def test_a_node_that_joined_before_teaches_nothing_again() -> None:
    worker = a_joined(CPU=4)
    known = {A.name: Learnt("", amounts(CPU=5))}

    assert learn(known, [A], [worker], frozenset({worker.pod})) == known
