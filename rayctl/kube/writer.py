"""The only way out for the operator's writes: each is refused once the lease may be lost.

``valid_until`` says up to when this replica may act. It is asked before a request, bounds its time-out, and
is asked again in the moment before the request leaves, since the process may have been stopped in between
(docs/adr/0004-fence-in-the-writer.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from rayctl.api import names
from rayctl.api.document import Document, Json
from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey, PodName, Uid
from rayctl.api.observed import ClusterView, PodView, ServiceView
from rayctl.clock import Clock
from rayctl.kube.client import CALL_TIMEOUT, KubeClient
from rayctl.kube.decode import Anything, Page, Wire, cluster_view, pod_view, read, service_view
from rayctl.kube.errors import Conflict, Fenced, Garbled, Invalid, NotFound
from rayctl.kube.resource import EVENTS, PODS, RAYCLUSTERS, SERVICES, Call, ContentType, Resource, Verb

T = TypeVar("T")

_ANSWERED_WITHIN: Seconds = 0.5


class Writer:
    """Writes for whoever leads. All methods raise KubeError, Fenced among them."""

    def __init__(
        self,
        client: KubeClient,
        valid_until: Callable[[], Monotonic],
        clock: Clock,
        read_cluster: Callable[[Wire], ClusterView] = cluster_view,
    ) -> None:
        self._client = client
        self._read_cluster = read_cluster
        self._valid_until = valid_until
        self._clock = clock
        self._under_way: set[asyncio.Task[Wire]] = set()

    @property
    def is_open(self) -> bool:
        """Whether a write would leave now: for whoever tells something to Ray, which knows of no leaders."""
        return self._valid_until() > self._clock.monotonic()

    async def finish(self) -> None:
        """Return when all that was sent has its answer, at most half a second later.

        A request is not taken back when its sender is cancelled: the API server may have it, and whoever
        leads next should find it done, not see it come to pass afterwards.
        """
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=_ANSWERED_WITHIN)
        for sending in late:
            sending.cancel()

    async def create_pod(self, namespace: str, manifest: Document) -> PodView:
        """Create a pod.

        Raises:
            AlreadyExists: its name is taken; whose it is, :meth:`read_pod` tells.
        """
        call = Call(verb=Verb.CREATE, resource=PODS, namespace=namespace, body=manifest)
        return await self._answer(call, pod_view)

    async def read_pod(self, namespace: str, name: PodName) -> PodView:
        """Return a pod as the API server has it now."""
        call = Call(verb=Verb.GET, resource=PODS, namespace=namespace, name=name)
        return await self._answer(call, pod_view)

    async def delete_pod(
        self, key: ClusterKey, name: PodName, uid: Uid, grace: int | None = None
    ) -> PodView | None:
        """Delete that very pod, with ``grace`` seconds where given, and return it as it is then.

        None when it is gone already, also where its name has passed to a pod with another UID.

        Raises:
            Conflict: it was refused, and that very pod is there all the same.
        """
        body: Document = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        call = Call(verb=Verb.DELETE, resource=PODS, namespace=key.namespace, name=name, body=body)
        try:
            return await self._answer(call, pod_view)
        except NotFound:
            return None
        except Conflict:
            # Of its UID as a rule; but whoever takes a pod for gone that is there makes another one.
            if await self._is_there(key.namespace, name, uid):
                raise
            return None

    async def _is_there(self, namespace: str, name: PodName, uid: Uid) -> bool:
        try:
            return (await self.read_pod(namespace, name)).uid == uid
        except NotFound:
            return False

    async def apply_service(self, namespace: str, manifest: Document) -> ServiceView:
        """Make a Service be as the manifest says, by server-side apply; foreign fields of it stay."""
        call = Call(
            verb=Verb.PATCH,
            resource=SERVICES,
            namespace=namespace,
            name=_name_of(manifest),
            query={"fieldManager": names.MANAGER, "force": "true"},
            body=manifest,
            content_type=ContentType.APPLY,
        )
        return await self._answer(call, service_view)

    async def write_status(self, key: ClusterKey, uid: Uid, status: Document) -> ClusterView:
        """Put ``status`` in place of that of this very RayCluster and return the whole.

        A JSON patch that tests the UID: in a merge patch of a custom resource's status the API server
        overlooks metadata.uid.

        Raises:
            Conflict: the name has passed to a RayCluster with another UID.
        """
        body: list[Json] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        call = Call(
            verb=Verb.PATCH,
            resource=RAYCLUSTERS,
            namespace=key.namespace,
            name=key.name,
            subresource="status",
            query={"fieldManager": names.MANAGER},
            body=body,
            content_type=ContentType.JSON_PATCH,
        )
        try:
            return await self._answer(call, self._read_cluster)
        except Invalid as error:
            if error.fields:
                raise
            # A test that fails is told in general words; a status that is wrong, by its fields.
            raise Conflict(call, error.code, "Conflict", f"its UID is no longer {uid}") from error

    async def create_event(self, namespace: str, manifest: Document) -> None:
        """Create an Event."""
        await self._send(Call(verb=Verb.CREATE, resource=EVENTS, namespace=namespace, body=manifest))

    async def patch_event(self, namespace: str, name: str, changes: Document) -> None:
        """Merge changes into an Event."""
        await self._merge(EVENTS, namespace, name, changes)

    async def mark_leader(self, namespace: str, pod: str) -> None:
        """Put the leader's label on the operator's pod and take it from all others that have it.

        A leader that was cut off cannot take off its own.
        """
        selector = {"labelSelector": f"{names.LABEL_LEADER}=true"}
        call = Call(verb=Verb.LIST, resource=PODS, namespace=namespace, query=selector)
        marked = await self._answer(call, _names)
        for other in sorted(marked - {pod}):
            try:
                await self._label(namespace, other, {names.LABEL_LEADER: None})
            except NotFound:
                continue
        if pod not in marked:
            await self._label(namespace, pod, {names.LABEL_LEADER: "true"})

    async def _label(self, namespace: str, pod: str, labels: Mapping[str, str | None]) -> None:
        await self._merge(PODS, namespace, pod, {"metadata": {"labels": dict(labels)}})

    async def _merge(self, resource: Resource, namespace: str, name: str, changes: Document) -> None:
        call = Call(
            verb=Verb.PATCH,
            resource=resource,
            namespace=namespace,
            name=name,
            query={"fieldManager": names.MANAGER},
            body=changes,
            content_type=ContentType.MERGE,
        )
        await self._send(call)

    async def _answer(self, call: Call, decode: Callable[[Wire], T]) -> T:
        body = await self._send(call)
        try:
            return decode(body)
        except msgspec.DecodeError as error:
            raise Garbled(call, f"the answer is broken: {error}") from error

    async def _send(self, call: Call) -> Wire:
        left = self._check(call)
        sending = asyncio.create_task(
            self._client.send(call, timeout=min(CALL_TIMEOUT, left), guard=self._check)
        )
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        return await asyncio.shield(sending)

    def _check(self, call: Call) -> Seconds:
        """Return how long we may still act."""
        left = self._valid_until() - self._clock.monotonic()
        if left <= 0:
            raise Fenced(call, "this replica's lease has run out or is lost")
        return left


def _names(body: Wire) -> set[str]:
    return {read(item, Anything).metadata.name for item in read(body, Page).items or ()}


def _name_of(manifest: Document) -> str:
    metadata = manifest["metadata"]
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        raise TypeError("a manifest without metadata.name cannot be applied")
    return name
