"""The simulated API server: the fake's objects under simulated time, a quota, and Kubernetes' garbage collector."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import orjson

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey
from rayctl.api.observed import PodView
from rayctl.kube.decode import pod_view
from rayctl.kube.errors import Refused, refusal
from rayctl.kube.resource import Call, ContentType, Verb
from unit.fakes.clock import NEW_YEAR
from unit.fakes.objects import Change, Object, Objects, Place, RefusalError

NAMESPACE = "ray"
_COLLECTED_AFTER: Seconds = 0.5


class SimulatedClock:
    """The time of a loop, also for whoever does not run in it. ``skew`` puts its time of day off."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew: Seconds = 0.0) -> None:
        self._loop = loop
        self._skew = skew

    def wall(self) -> datetime:
        return NEW_YEAR + timedelta(seconds=self._loop.time() + self._skew)

    def monotonic(self) -> Monotonic:
        return Monotonic(self._loop.time())


class Server:
    """All that the API server holds, and who is told of each change of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        numbers = count(1)
        self._loop = loop
        self.clock = SimulatedClock(loop)
        self.objects = Objects(self.clock, lambda: f"uid-{next(numbers)}")
        self.objects.on_change = self._tell
        self.quota: int | None = None
        """How many pods there may be; terminating ones count, as they do in Kubernetes."""
        self.pods: dict[str, PodView] = {}
        """All pods as they are at this moment, by name."""
        self.subscribers: list[Callable[[Change], None]] = []

    def pods_of(self, key: ClusterKey) -> list[PodView]:
        """Return the pods whose label names a cluster, whoever owns them."""
        return [pod for pod in self.pods.values() if pod.key == key]

    def find_pod(self, name: str, uid: str) -> PodView | None:
        """Return that very pod, or None when it is gone."""
        pod = self.pods.get(name)
        return pod if pod is not None and pod.uid == uid else None

    def find_cluster(self, name: str) -> Object | None:
        """Return a RayCluster as it is now, or None."""
        place = Place("rayclusters", NAMESPACE, name)
        every = self.objects.list_of("rayclusters", NAMESPACE)
        return self.objects.get(place) if any(one["metadata"]["name"] == name for one in every) else None

    def change_pod(self, pod: PodView, changes: Object) -> None:
        """Merge changes into a pod, as kubelet, scheduler and users do; nothing where it is gone."""
        if self.find_pod(pod.name, pod.uid) is not None:
            self.objects.merge(Place("pods", NAMESPACE, pod.name), changes)

    def delete_pod(self, pod: PodView, grace: int | None = None) -> None:
        """Delete a pod as anybody may; nothing where it is gone."""
        if self.find_pod(pod.name, pod.uid) is not None:
            options: Object = {} if grace is None else {"gracePeriodSeconds": grace}
            self.objects.delete(Place("pods", NAMESPACE, pod.name), options)

    def answer(self, call: Call) -> bytes:
        """Do what is asked and return the answer.

        Raises:
            Refused: the server says no.
        """
        try:
            return orjson.dumps(self._act(call))
        except RefusalError as error:
            raise refused(call, error) from error

    def _act(self, call: Call) -> Any:
        place = Place(call.resource.plural, call.namespace, call.name)
        body: Any = call.body
        match call.verb:
            case Verb.GET:
                return self.objects.get(place)
            case Verb.LIST:
                items = self.objects.list_of(place.plural, place.namespace)
                return {"metadata": {"resourceVersion": str(self.objects.version)}, "items": items}
            case Verb.CREATE:
                self._admit(place)
                return self.objects.create(place, body)
            case Verb.DELETE:
                return self.objects.delete(place, body)
            case Verb.PATCH:
                return self._patch(place, call)
        raise AssertionError(f"the simulation does not know {call}")

    def _patch(self, place: Place, call: Call) -> Object:
        body: Any = call.body
        if call.content_type is ContentType.APPLY:
            return self.objects.apply(place, body)
        patch = self.objects.patch if call.content_type is ContentType.JSON_PATCH else self.objects.merge
        return patch(place, body, status=call.subresource == "status")

    def _admit(self, place: Place) -> None:
        if place.plural != "pods" or self.quota is None:
            return
        used = sum(not pod.finished for pod in self.pods.values())
        if used >= self.quota:
            words = f"exceeded quota: few, requested: pods=1, used: pods={used}, limited: pods={self.quota}"
            raise RefusalError(403, "Forbidden", words)

    def _tell(self) -> None:
        change = self.objects.history[-1]
        if change.place.plural == "pods":
            if change.after is None:
                del self.pods[change.place.name]
            else:
                self.pods[change.place.name] = pod_view(orjson.dumps(change.after))
        if change.place.plural == "rayclusters" and change.after is None and change.before is not None:
            self._loop.call_later(_COLLECTED_AFTER, self._collect, change.before["metadata"]["uid"])
        if change.before is None and change.after is not None and change.place.plural != "rayclusters":
            for owner in _owners(change.after):
                if not self._is_there(owner):  # whoever made it did not know; Kubernetes looks for the owner
                    self._loop.call_later(_COLLECTED_AFTER, self._collect, owner)
        for subscriber in self.subscribers:
            subscriber(change)

    def _is_there(self, owner: str) -> bool:
        clusters = self.objects.list_of("rayclusters", NAMESPACE)
        return any(document["metadata"]["uid"] == owner for document in clusters)

    def _collect(self, owner: str) -> None:
        """Delete what a RayCluster owned that is gone: in the background, as Kubernetes does."""
        for plural in ("pods", "services"):
            for document in self.objects.list_of(plural, NAMESPACE):
                metadata = document["metadata"]
                if _owners(document) == [owner] and "deletionTimestamp" not in metadata:
                    self.objects.delete(Place(plural, NAMESPACE, metadata["name"]), {})


def _owners(document: Object) -> list[str]:
    return [reference["uid"] for reference in document["metadata"].get("ownerReferences", ())]


def refused(call: Call, error: RefusalError) -> Refused:
    """Return the client's error for a refusal of the server."""
    return refusal(call, error.code, {}, orjson.dumps(error.status))
