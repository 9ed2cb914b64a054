"""Notes to Events on the RayCluster, where ``kubectl describe`` shows them.

Core v1 Events: both APIs store the same object, the seed's Role grants the core one, and ``kubectl get
events`` sorts by their fields. The same note again within ten minutes counts up, and is sent at most once a
minute. Events are for people: one that cannot be sent is dropped, and nothing waits for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime

import cachetools

from rayctl.api import names
from rayctl.api.document import Document
from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey
from rayctl.api.observed import ClusterView
from rayctl.clock import Clock
from rayctl.core.reconcile.actions import Note
from rayctl.kube.errors import KubeError
from rayctl.kube.writer import Writer
from rayctl.telemetry.logs import ClusterLog

log = logging.getLogger(__name__)

_SAME_WITHIN: Seconds = 600.0
_SEND_AGAIN_AFTER: Seconds = 60.0
_MAX_WAITING = 1000
_MAX_SERIES = 4096
_MAX_MESSAGE = 1024  # the API's limit


@dataclass(slots=True)
class _Series:
    """A note and its repetitions: one Event."""

    namespace: str
    name: str
    count: int
    sent_at: Monotonic


@dataclass(frozen=True, slots=True)
class _Letter:
    """What is to be sent: a whole Event, or changes of one."""

    about: ClusterKey
    series: _Series
    body: Document
    new: bool


class Events:
    """Takes notes at once and sends them while :meth:`run` runs. ``identity`` is who reports."""

    def __init__(self, writer: Writer, clock: Clock, identity: str) -> None:
        self._writer = writer
        self._clock = clock
        self._identity = identity
        self._waiting: asyncio.Queue[_Letter] = asyncio.Queue(_MAX_WAITING)
        self._series: cachetools.TTLCache[tuple[str, Note], _Series] = cachetools.TTLCache(
            _MAX_SERIES, _SAME_WITHIN, timer=clock.monotonic
        )

    def tell(self, about: ClusterView, note: Note) -> None:
        """Have an Event made of a note about a cluster, or its earlier Event counted up."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        series = self._series.get((about.uid, note))
        if series is None:
            series = _Series(about.key.namespace, _event_name(about, note, wall), 1, now)
            self._series[about.uid, note] = series
            self._post(_Letter(about.key, series, self._event(about, note, series, wall), new=True))
            return
        series.count += 1
        if now - series.sent_at >= _SEND_AGAIN_AFTER:
            series.sent_at = now
            body: Document = {"count": series.count, "lastTimestamp": _timestamp(wall)}
            self._post(_Letter(about.key, series, body, new=False))

    async def run(self) -> None:
        """Send what was told, one after the other, until cancelled."""
        while True:
            letter = await self._waiting.get()
            try:
                await self._send(letter)
            except KubeError as error:
                ClusterLog(log, letter.about).info("an Event was not written: %s", error)
            finally:
                self._waiting.task_done()

    async def sent(self) -> None:
        """Return when all that was told has been sent, or dropped."""
        await self._waiting.join()

    def _post(self, letter: _Letter) -> None:
        try:
            self._waiting.put_nowait(letter)
        except asyncio.QueueFull:
            ClusterLog(log, letter.about).warning("an Event was dropped: %d are waiting", _MAX_WAITING)

    async def _send(self, letter: _Letter) -> None:
        if letter.new:
            await self._writer.create_event(letter.series.namespace, letter.body)
        else:
            await self._writer.patch_event(letter.series.namespace, letter.series.name, letter.body)

    def _event(self, about: ClusterView, note: Note, series: _Series, wall: datetime) -> Document:
        cluster: Document = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": about.key.namespace,
            "name": about.key.name,
            "uid": about.uid,
        }
        kind = "Warning" if note.warning else "Normal"
        document = event_document(cluster, series.name, note.reason, note.text, wall, self._identity)
        return document | {"type": kind}


def event_document(
    about: Document, name: str, reason: str, text: str, wall: datetime, identity: str
) -> Document:
    """Return a normal Event about the object that ``about`` refers to; ``identity`` is who reports."""
    stamp = _timestamp(wall)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": about["namespace"], "name": name},
        "involvedObject": about,
        "type": "Normal",
        "reason": reason,
        "message": text[:_MAX_MESSAGE],
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "source": {"component": names.MANAGER},
        "reportingComponent": names.MANAGER,
        "reportingInstance": identity[:128],
    }


def _event_name(about: ClusterView, note: Note, wall: datetime) -> str:
    seed = f"{about.uid}\x00{note.reason}\x00{note.text}\x00{wall.isoformat()}"
    return f"{about.key.name}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}"


def _timestamp(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%dT%H:%M:%SZ")
