"""The calls of a Ray head's GCS that an autoscaler makes, in the planner's records.

One channel a head; nothing is repeated and nothing remembered between calls. Two values crash Ray and cannot
be sent from here: a state version that was seen before, and a drain without a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeVar

from rayctl.clock import Clock
from rayctl.core.autoscale.demand import Demand, DrainReason, NodeId, Snapshot
from rayctl.core.autoscale.feedback import Feedback
from rayctl.gcs import encode
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Channel, Method, OnCall, Token, ignore_call
from rayctl.gcs.errors import legible
from rayctl.gcs.translate import drivers, parse, reported_version, snapshot

_LONG = 2**16
"""Bytes: an answer of more is read in a thread, so that other clusters go on meanwhile. It is some 110 nodes
or 1 ms, but a head that means harm can make as few bytes cost a hundred times as much."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """Whether the node will leave, and in Ray's words why it will not."""

    accepted: bool
    why: str = ""


class GcsClient:
    """Talks to the GCS at ``address`` (``host:port``), with the cluster's token where it has one.

    Needs a running loop for its calls, not to be made; :meth:`close` it, or use it with ``async with``. All
    calls raise :class:`rayctl.gcs.errors.GcsError`.
    """

    def __init__(
        self, address: str, clock: Clock, token: str | Token = "", *, on_call: OnCall = ignore_call
    ) -> None:
        self._channel = Channel(address, token, clock, on_call)
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel; calls under way end as Unreachable."""
        await self._channel.close()

    async def read_state(self) -> Snapshot:
        """Return what the cluster has and is asked for. It is up to a second old (RAY_gcs_pull_…)."""
        answer = await self._channel.call(Method.READ_STATE)
        at = self._clock.monotonic()
        return await _read(lambda answer: snapshot(answer, at), answer)

    async def drain(
        self, node_id: NodeId, reason: DrainReason, message: str, deadline: datetime | None = None
    ) -> DrainAnswer:
        """Ask a node to leave; a node that is unknown or dead "accepts". It is safe to ask again.

        Ray shows ``message`` and tells tasks of the ``deadline``, but does not enforce it.
        """
        answer = await self._channel.call(
            Method.DRAIN, encode.drain(node_id, reason, message, deadline).SerializeToString()
        )
        reply = parse(pb.DrainNodeReply, answer)
        return DrainAnswer(
            reply.is_accepted, "" if reply.is_accepted else legible(reply.rejection_reason_message)
        )

    async def report(self, feedback: Feedback, version: int) -> None:
        """Have ``ray status`` and the dashboard show this; Ray drops it below the last one's version."""
        await self._channel.call(Method.REPORT, encode.report(feedback, version).SerializeToString())

    async def read_report_version(self) -> int:
        """Return the version of the last report that this life of the GCS has taken, 0 without one."""
        return await _read(reported_version, await self._channel.call(Method.READ_STATUS))

    async def count_drivers(self) -> int:
        """Return how many programs of users are connected, idle ones included: a shell, a job, Ray Client."""
        request = pb.GetAllJobInfoRequest(
            skip_submission_job_info_field=True, skip_is_running_tasks_field=True
        )
        return await _read(drivers, await self._channel.call(Method.READ_JOBS, request.SerializeToString()))

    async def request_constraint(self, demands: Sequence[Demand]) -> None:
        """Do what ``request_resources`` does: replace what was requested before."""
        await self._channel.call(
            Method.REQUEST_CONSTRAINT, encode.constraint_request(demands).SerializeToString()
        )


async def _read(reader: Callable[[bytes], T], answer: bytes) -> T:
    if len(answer) > _LONG:
        return await asyncio.to_thread(reader, answer)
    return reader(answer)
