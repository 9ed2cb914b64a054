"""Ray heads that are none, for fake nodes: at each head's address a GCS answers as Ray's own would.

They pass the same contract tests as real ones (unit/gcs/test_contract.py). A worker's pod that is ready is a
node of its cluster, and takes a task that waits for a CPU. Their addresses are put on the loopback interface
meanwhile.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rayctl.api.names import GCS_PORT, Role
from rayctl.api.observed import PodView
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Method
from unit.fakes.gcs import FakeGcs


@dataclass(slots=True)
class FakeHead:
    """One cluster's GCS, and which pods are nodes of it."""

    gcs: FakeGcs
    nodes: dict[str, pb.NodeState] = field(default_factory=dict)

    def looks(self, since: float = 0.0) -> list[float]:
        """Return when it was asked what there is (``time.monotonic``)."""
        asked = self.gcs.asked
        return [one.at for one in asked if one.method is Method.READ_STATE and one.at >= since]

    def join(self, pod: PodView, cpus: int = 1, **fields: Any) -> None:
        """Have a worker's pod be a node; keywords are fields of it."""
        if pod.name in self.nodes:
            return
        total = {"CPU": float(cpus)}
        node = self.nodes[pod.name] = self.gcs.add_node(pod.name, pod.pod_type, total=total, **fields)
        waiting = self.gcs.state.pending_resource_requests
        for index, asked in enumerate(waiting):
            if dict(asked.request.resources_bundle) == {"CPU": 1.0}:
                self.gcs.occupy(node)
                asked.count -= 1
                if not asked.count:
                    del waiting[index]
                return

    def rest(self) -> None:
        """Have all tasks end, and all nodes be idle for an hour."""
        del self.gcs.state.pending_resource_requests[:]
        for node in self.nodes.values():
            self.gcs.free(node)
            node.idle_duration_ms = 3_600_000


class FakeHeads:
    """A watch's sink that gives each head a GCS and each worker a node."""

    def __init__(self) -> None:
        self.of: dict[str, FakeHead] = {}
        """By the cluster's name."""
        self._addresses: list[str] = []
        self._starting: set[asyncio.Task[None]] = set()

    def clear(self) -> None:
        """Do nothing: heads stay until the end."""

    def replace(self, records: tuple[PodView, ...], version: int) -> None:  # noqa: ARG002
        """Take all of these."""
        for record in records:
            self.put(record)

    def put(self, record: PodView) -> None:
        """Start a head's GCS, or have a worker join."""
        cluster = record.key.name
        if record.role is Role.HEAD and record.ip and cluster not in self.of:
            self.of[cluster] = FakeHead(FakeGcs(host=record.ip, session=f"session_{cluster}"))
            self.of[cluster].gcs.add_node(record.name, record.pod_type, total={})
            task = asyncio.create_task(self._start(record.ip, self.of[cluster].gcs))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        elif record.role is Role.WORKER and record.ready and cluster in self.of:
            self.of[cluster].join(record)

    def remove(self, record: PodView) -> None:
        """Have a worker's node be dead."""
        head = self.of.get(record.key.name)
        node = head.nodes.pop(record.name, None) if head is not None else None
        if node is not None:
            node.status = pb.DEAD

    async def _start(self, address: str, gcs: FakeGcs) -> None:
        await _on_loopback("add", address)
        self._addresses.append(address)
        gcs.port = GCS_PORT
        await gcs.start()

    async def close(self) -> None:
        """Stop all of them, and take their addresses away."""
        await asyncio.gather(*(head.gcs.stop() for head in self.of.values()))
        for address in self._addresses:
            await _on_loopback("del", address)


@asynccontextmanager
async def fake_heads() -> AsyncIterator[FakeHeads]:
    """Give fake heads; a watch of the pods is to tell them what there is."""
    heads = FakeHeads()
    try:
        yield heads
    finally:
        await heads.close()


async def _on_loopback(what: str, address: str) -> None:
    words = ("ip", "address", what, f"{address}/32", "dev", "lo")
    await asyncio.to_thread(subprocess.run, words, check=True)
