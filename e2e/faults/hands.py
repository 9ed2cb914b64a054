"""An administrator's hands: what people do to pods, nodes and the Lease behind the operator's back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rayctl.api import names
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import AlreadyExists, Conflict, NotFound
from rayctl.kube.resource import LEASES, PODS, Call, ContentType, Resource, Verb

LEASE = "ray-operator"
_NODES = Resource("", "v1", "nodes")
_TAINT = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
"""What an administrator puts on a node that is lost: its pods are deleted at once."""
_PATIENCE = 3.0


class Hands:
    """Each method returns whether there was anything to do it to; all raise KubeError."""

    def __init__(self, client: KubeClient, namespace: str, nodes: Sequence[str]) -> None:
        self._client = client
        self._namespace = namespace
        self._nodes = nodes

    async def delete_pod(self, name: str, grace: int | None = None) -> bool:
        """Delete a pod."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1"}
        return await self._do(
            Verb.DELETE, PODS, name, body if grace is None else {**body, "gracePeriodSeconds": grace}
        )

    async def fail_pod(self, name: str) -> bool:
        """Have a pod's kubelet say that it has failed."""
        body = {"status": {"phase": "Failed", "reason": "Evicted", "message": "a fault of the bed"}}
        return await self._do(Verb.PATCH, PODS, name, body, sub="status")

    async def label_pod(self, name: str) -> bool:
        """Put a label of somebody's own on a pod."""
        return await self._do(Verb.PATCH, PODS, name, {"metadata": {"labels": {"example.com/team": "blue"}}})

    async def mark_pod(self, name: str, value: int) -> bool:
        """Ask for a pod's replacement."""
        marks = {names.ANNOTATION_RESTARTED_AT: str(value)}
        return await self._do(Verb.PATCH, PODS, name, {"metadata": {"annotations": marks}})

    async def lose_node(self, pick: int, seconds: float) -> bool:
        """Have a node be out of service for a while."""
        node = self._nodes[pick % len(self._nodes)]
        await self._do(Verb.PATCH, _NODES, node, {"spec": {"taints": [_TAINT]}})
        await asyncio.sleep(seconds)
        await self.heal_node(node)
        return True

    async def heal_nodes(self) -> None:
        """Have all nodes be in service."""
        for node in self._nodes:
            await self.heal_node(node)

    async def heal_node(self, node: str) -> None:
        """Have a node be in service again."""
        await self._do(Verb.PATCH, _NODES, node, {"spec": {"taints": None}})

    async def steal_lease(self, wall: datetime) -> bool:
        """Write a holder into the Lease that takes part in no election."""
        spec = {"holderIdentity": "thief", "leaseDurationSeconds": 1, "renewTime": _stamp(wall)}
        return await self._do(Verb.PATCH, LEASES, LEASE, {"spec": spec})

    async def delete_lease(self) -> bool:
        """Delete the Lease."""
        return await self._do(Verb.DELETE, LEASES, LEASE)

    async def edit_lease(self, wall: datetime, pick: int) -> bool:
        """Change something of the Lease but not its holder."""
        changes: Sequence[dict[str, Any]] = (
            {"spec": {"leaseDurationSeconds": 5}},
            {"spec": {"renewTime": _stamp(wall)}},
            {"spec": {"acquireTime": None, "leaseTransitions": 0}},
            {"metadata": {"labels": {"example.com/team": "blue"}}},
        )
        return await self._do(Verb.PATCH, LEASES, LEASE, changes[pick % len(changes)])

    async def _do(self, verb: Verb, resource: Resource, name: str, body: Any = None, sub: str = "") -> bool:
        call = Call(
            verb=verb,
            resource=resource,
            namespace="" if resource is _NODES else self._namespace,
            name=name,
            subresource=sub,
            body=body,
            content_type=ContentType.MERGE if verb is Verb.PATCH else ContentType.JSON,
        )
        try:
            await self._client.send(call, timeout=_PATIENCE)
        except (NotFound, Conflict, AlreadyExists):
            return False  # it went meanwhile
        return True


def _stamp(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
