"""What users do meanwhile: RayClusters come, are edited, restarted, scaled, suspended, and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from e2e.faults.history import CLUSTERS, RayCluster, Thing
from rayctl.api import names
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import AlreadyExists, KubeError
from rayctl.kube.resource import RAYCLUSTERS, Call, ContentType, Verb

STEADY = "steady"
"""What the names of clusters begin with that nobody touches."""
_PATIENCE = 3.0
_AGAIN_AFTER = 0.5
_GRACE = 5
"""Seconds for a pod to end: nothing of worth runs in it."""
_STRATEGIES: tuple[Mapping[str, Any], ...] = ({}, {"type": "Recreate"}, {"maxUnavailable": 1})


class Deed(StrEnum):
    """What a user may do."""

    CREATE = "create"
    EDIT = "edit"
    RESTART = "restart"
    SCALE = "scale"
    SUSPEND = "suspend"
    DELETE = "delete"


_WEIGHTS = {Deed.CREATE: 4, Deed.EDIT: 4, Deed.RESTART: 2, Deed.SCALE: 5, Deed.SUSPEND: 2, Deed.DELETE: 2}


@dataclass(frozen=True, slots=True)
class Size:
    """How much there may be at once."""

    steady: Mapping[str, int]
    """Name → workers of type a, of each cluster that nobody touches; the names begin with :data:`STEADY`."""
    clusters: int
    """Of all others together."""
    workers: int
    """Of type a in one cluster."""
    workers_of_b: int
    """Of type b in each cluster."""
    images: Sequence[str]
    """For edits to choose from; pods are made with the first one."""
    requests: Mapping[str, str]
    """Of each pod: resource → quantity."""


class Workload:
    """One user with an administrator's rights and a seed."""

    def __init__(self, client: KubeClient, namespace: str, size: Size, rng: random.Random) -> None:
        self._client = client
        self._namespace = namespace
        self._size = size
        self._rng = rng
        self._made = 0

    @property
    def steady(self) -> frozenset[str]:
        """Names of the clusters that nobody touches."""
        return frozenset(self._size.steady)

    async def begin(self) -> None:
        """Make the clusters that nobody touches."""
        for name, workers in self._size.steady.items():
            while not await self._is_made(name, workers):  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(_AGAIN_AFTER)

    async def _is_made(self, name: str, workers: int) -> bool:
        try:
            await self._create(name, workers)
        except AlreadyExists:
            return True
        except KubeError:
            return False  # a busy machine
        return True

    async def act(self, state: Mapping[tuple[str, str], Thing]) -> str:
        """Do something; return it in words, '' where the API server did not take it."""
        there = [
            one
            for (kind, name), one in sorted(state.items())
            if kind == CLUSTERS and not name.startswith(STEADY) and isinstance(one, RayCluster)
        ]
        mine = [one for one in there if not one.leaving]
        deed = self._rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if not mine or (deed is Deed.CREATE and len(there) < self._size.clusters):
            self._made += 1
            return await self._tried(self._create(f"c{self._made}", self._rng.randint(0, self._size.workers)))
        return await self._tried(self._change(deed, self._rng.choice(mine)))

    async def _tried(self, doing: Any) -> str:
        try:
            return str(await doing)
        except KubeError:
            return ""  # its API server is away just now

    async def _change(self, deed: Deed, cluster: RayCluster) -> str:
        spec: dict[str, Any] = {**cluster.spec}
        kinds = [{**kind} for kind in spec["podTypes"]]
        marks: dict[str, str] = {}
        chosen = self._rng.choice(kinds)
        what = str(deed)
        match deed:
            case Deed.DELETE:
                await self._send(Verb.DELETE, cluster.name)
                return f"delete {cluster.name}"
            case Deed.EDIT:
                chosen["podConfig"] = self._pod(self._rng.choice(self._size.images))
                what = f"edit type {chosen['name']} of"
            case Deed.RESTART:
                key = self._rng.choice((names.ANNOTATION_RESTARTED_AT, names.PREFIX_TYPE_RESTARTED_AT + "a"))
                marks = {key: str(self._rng.randint(1, 10**6))}
            case Deed.SUSPEND:
                spec["suspend"] = not spec.get("suspend", False)
            case _:
                workers = self._rng.randint(0, self._size.workers)
                kinds[1] |= {"minWorkers": workers, "maxWorkers": workers}
                what = f"scale to {workers}"
        spec["podTypes"] = kinds
        await self._send(Verb.PATCH, cluster.name, {"metadata": {"annotations": marks}, "spec": spec})
        return f"{what} {cluster.name}"

    async def _create(self, name: str, workers: int) -> str:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name},
            "spec": self._spec(workers),
        }
        await self._send(Verb.CREATE, "", body)
        return f"create {name} with {workers} workers"

    def _spec(self, workers: int) -> dict[str, Any]:
        strategy = self._rng.choice(_STRATEGIES)
        pod, b = self._pod(self._size.images[0]), self._size.workers_of_b
        return {
            "maxWorkers": 2 * self._size.workers,
            "headPodType": "head",
            "drainTimeoutSeconds": self._rng.choice((0, 0, 1)),
            "podTypes": [
                {"name": "head", "podConfig": pod},
                {
                    "name": "a",
                    "minWorkers": workers,
                    "maxWorkers": workers,
                    "upgradeStrategy": dict(strategy),
                    "podConfig": pod,
                },
                {"name": "b", "minWorkers": b, "maxWorkers": b, "podConfig": pod},
            ],
        }

    def _pod(self, image: str) -> dict[str, Any]:
        resources = {"requests": dict(self._size.requests)}
        container = {"name": "ray-node", "image": image, "resources": resources}
        spec = {"containers": [container], "terminationGracePeriodSeconds": _GRACE}
        return {"apiVersion": "v1", "kind": "Pod", "spec": spec}

    async def _send(self, verb: Verb, name: str, body: Any = None) -> None:
        kind = ContentType.MERGE if verb is Verb.PATCH else ContentType.JSON
        call = Call(
            verb=verb,
            resource=RAYCLUSTERS,
            namespace=self._namespace,
            name=name,
            body=body,
            content_type=kind,
        )
        await self._client.send(call, timeout=_PATIENCE)
