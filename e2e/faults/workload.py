"""What users do meanwhile: RayClusters come, are edited, restarted, scaled, suspended, and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from e2e.faults.history import CLUSTERS, RayCluster, Thing
from rayctl.api import names
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import AlreadyExists, KubeError
from rayctl.kube.resource import RAYCLUSTERS, Call, ContentType, Verb

STEADY = "steady"
"""What the names of clusters begin with that nobody touches."""
_STEADY_WORKERS = {f"{STEADY}-0": 1, f"{STEADY}-1": 3}
_MOST_CLUSTERS = 6
_MOST_WORKERS = 5
_PATIENCE = 3.0
_AGAIN_AFTER = 0.5
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


class Workload:
    """One user with an administrator's rights and a seed."""

    def __init__(self, client: KubeClient, namespace: str, rng: random.Random) -> None:
        self._client = client
        self._namespace = namespace
        self._rng = rng
        self._made = 0

    @property
    def steady(self) -> frozenset[str]:
        """Names of the clusters that nobody touches."""
        return frozenset(_STEADY_WORKERS)

    async def begin(self) -> None:
        """Make the clusters that nobody touches."""
        for name, workers in _STEADY_WORKERS.items():
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
        if not mine or (deed is Deed.CREATE and len(there) < _MOST_CLUSTERS):
            self._made += 1
            return await self._tried(self._create(f"c{self._made}", self._rng.randint(0, _MOST_WORKERS)))
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
                chosen["podConfig"] = _pod(f"ray:{self._rng.randint(1, 9)}")
                what = f"edit type {chosen['name']} of"
            case Deed.RESTART:
                key = self._rng.choice((names.ANNOTATION_RESTARTED_AT, names.PREFIX_TYPE_RESTARTED_AT + "a"))
                marks = {key: str(self._rng.randint(1, 10**6))}
            case Deed.SUSPEND:
                spec["suspend"] = not spec.get("suspend", False)
            case _:
                workers = self._rng.randint(0, _MOST_WORKERS)
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
        return {
            "maxWorkers": 2 * _MOST_WORKERS,
            "headPodType": "head",
            "drainTimeoutSeconds": self._rng.choice((0, 0, 1)),
            "podTypes": [
                {"name": "head", "podConfig": _pod("ray:1")},
                {
                    "name": "a",
                    "minWorkers": workers,
                    "maxWorkers": workers,
                    "upgradeStrategy": dict(strategy),
                    "podConfig": _pod("ray:1"),
                },
                {"name": "b", "minWorkers": 1, "maxWorkers": 1, "podConfig": _pod("ray:1")},
            ],
        }

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


def _pod(image: str) -> dict[str, Any]:
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "ray-node", "image": image, "resources": {"requests": requests}}
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}
