"""Waiting for Kubernetes' scheduler, so that a large launch goes no faster than pods are placed.

The scheduler takes pods in the order of their creation, from all of the cluster: a thousand that are created
at once stand before whatever anybody creates after them, and are running no earlier for it.
"""

from __future__ import annotations

import asyncio

from rayctl.api.moment import Seconds
from rayctl.api.names import ClusterKey, PodName
from rayctl.kube.cache import Cache

PATIENCE: Seconds = 0.5
"""A scheduler that takes longer is away, or has much else to do: the launch goes on, if slowly."""


class Scheduling:
    """Whoever waits until the scheduler has looked at a pod."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._waits: dict[ClusterKey, dict[PodName, asyncio.Event]] = {}
        cache.subscribe(self._changed)

    async def looked_at(self, key: ClusterKey, name: PodName) -> None:
        """Return when the scheduler has placed a cluster's pod, or has said why it can't; or after a while.

        At once where there is no such pod, or where it is another scheduler's: one that places batches needs
        all of them first.
        """
        if not self._is_waiting(key, name):
            return
        looked_at = self._waits.setdefault(key, {})[name] = asyncio.Event()
        try:
            async with asyncio.timeout(PATIENCE):
                await looked_at.wait()
        except TimeoutError:
            return
        finally:
            waits = self._waits[key]
            del waits[name]
            if not waits:
                del self._waits[key]

    def _changed(self, key: ClusterKey) -> None:
        for name, looked_at in self._waits.get(key, {}).items():
            if not self._is_waiting(key, name):
                looked_at.set()

    def _is_waiting(self, key: ClusterKey, name: PodName) -> bool:
        pod = self._cache.find_pod(key.namespace, name)
        return pod is not None and not (pod.scheduled or pod.reason or pod.has_own_scheduler)
