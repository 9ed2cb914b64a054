"""etcd's own watch, by its JSON gateway: every revision of every object, whatever becomes of API servers.

An API server's watch has holes where that server was killed. etcd keeps old revisions until the API server
compacts them (five minutes), so that a stream that broke goes on where it was.
The bed stores objects as JSON for this (`recorded`), which no client can see.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from e2e.faults.history import LEASES, PODS, Change, Lease, Pod, Thing, thing
from rayctl.api import names

_PREFIX = b"/registry/"
_PLACES = {
    "pods": b"pods/",
    "services": b"services/specs/",
    "leases": b"leases/",
    names.PLURAL: f"{names.GROUP}/{names.PLURAL}/".encode(),
}
_AGAIN_AFTER = 0.2
_LONGEST_LINE = 2**24


class Recorder:
    """Keeps every change in a namespace, from :meth:`run`'s start on, in etcd's order."""

    def __init__(self, etcd: str, namespace: str) -> None:
        self._etcd = etcd
        self._namespace = namespace
        self._last: dict[tuple[str, str], Thing] = {}
        self._next = 1
        self.changes: list[Change] = []
        self.began = asyncio.Event()
        """Set when everything that happens from now on is kept."""

    @property
    def state(self) -> Mapping[tuple[str, str], Thing]:
        """All that there is now, by resource and name."""
        return self._last

    def names(self, resource: str) -> frozenset[str]:
        """Return the names of all that is there of a resource."""
        return frozenset(name for kind, name in self._last if kind == resource)

    @property
    def holder(self) -> str:
        """Whom the Lease names, or ''."""
        lease = next((one for (kind, _), one in self._last.items() if kind == LEASES), None)
        return lease.holder if isinstance(lease, Lease) else ""

    def pick_pod(self, pick: int, spared: str) -> str | None:
        """Return the name of a live pod, chosen by a number, of those that do not begin with ``spared``."""
        pods = sorted(
            name
            for (kind, name), one in self._last.items()
            if kind == PODS and isinstance(one, Pod) and one.live and not name.startswith(spared)
        )
        return pods[pick % len(pods)] if pods else None

    async def run(self) -> None:
        """Record until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_LONGEST_LINE) as session:
            self._next = await self._now(session) + 1
            self.began.set()
            while True:
                # Where etcd is being stopped, the stream goes on later from where it was.
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await self._follow(session)
                await asyncio.sleep(_AGAIN_AFTER)

    async def _now(self, session: aiohttp.ClientSession) -> int:
        body = {"key": _encoded(_PREFIX), "count_only": True}
        async with session.post(f"{self._etcd}/v3/kv/range", json=body) as answer:
            return int((await answer.json(content_type=None))["header"]["revision"])

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        end = _PREFIX[:-1] + bytes([_PREFIX[-1] + 1])
        wanted = {"key": _encoded(_PREFIX), "range_end": _encoded(end), "start_revision": str(self._next)}
        async with session.post(f"{self._etcd}/v3/watch", json={"create_request": wanted}) as answer:
            while line := await answer.content.readline():
                result = orjson.loads(line)["result"]
                if "compact_revision" in result:
                    raise RuntimeError(f"etcd has forgotten revision {self._next}: the record has a hole")
                for event in result.get("events", ()):
                    self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        pair = event["kv"]
        revision = int(pair["mod_revision"])
        self._next = max(self._next, revision + 1)
        key = self._key(base64.b64decode(pair["key"]))
        if key is None:
            return
        gone = event.get("type") == "DELETE"
        after = None if gone else thing(key[0], orjson.loads(base64.b64decode(pair["value"])))
        before = self._last.pop(key, None)
        if before is None and after is None:
            return
        if after is not None:
            self._last[key] = after
        self.changes.append(Change(revision, time.time(), key, before, after))

    def _key(self, path: bytes) -> tuple[str, str] | None:
        for resource, place in _PLACES.items():
            start = _PREFIX + place + self._namespace.encode() + b"/"
            if path.startswith(start):
                return resource, path.removeprefix(start).decode()
        return None


def _encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()
