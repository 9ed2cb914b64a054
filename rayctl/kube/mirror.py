"""A watch with the part of a store that it fills, and the question whether that is as new as it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayctl.api.moment import Seconds
from rayctl.kube.client import KubeClient
from rayctl.kube.listing import Target, list_versions
from rayctl.kube.store import Scope
from rayctl.kube.watch import Watch

_IN_STEP_WITHIN: Seconds = 1.0
"""How far a stream may lag behind a list before everything is listed anew."""
_LOOK_AGAIN: Seconds = 0.02


@dataclass(frozen=True, slots=True)
class Mirror:
    """What the API server has of a collection, as far as we have heard."""

    client: KubeClient
    target: Target
    watch: Watch[Any]
    scope: Scope[Any]

    async def catch_up(self) -> None:
        """Return when it is at least as new as this call.

        Nearly always it is so already, and a list of metadata tells: for pods it costs a third of a full
        one, which is made only where the stream lags, or where etcd was restored from a backup.

        Raises:
            KubeError: a list failed; all is as before.
        """
        if not await self._is_in_step():
            await self.watch.refresh()

    async def _is_in_step(self) -> bool:
        """Return whether the stream has told all that a list of now has, or does so within a moment."""
        before = self.watch.version
        version, there = await list_versions(self.client, self.target)
        if version < before:
            return False
        for _ in range(int(_IN_STEP_WITHIN / _LOOK_AGAIN)):
            if self.watch.version >= version or _is_as_new(self.scope.versions(), there, version):
                return True
            await asyncio.sleep(_LOOK_AGAIN)
        return False


def _is_as_new(held: Mapping[str, int], there: Mapping[str, int], version: int) -> bool:
    """Return whether a list (``there``, of ``version``) has nothing newer than what is held.

    Both are resource versions by UID.
    """
    return all(held.get(uid, 0) >= of for uid, of in there.items()) and all(
        uid in there or of > version for uid, of in held.items()
    )
