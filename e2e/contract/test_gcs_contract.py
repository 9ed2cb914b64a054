"""The contract of e2e/contract/gcs_cases.py, on real Ray; and what only real Ray can show."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from e2e.contract.gcs_cases import *  # noqa: F403
from e2e.contract.gcs_cases import WORKER_TYPE, a_client, until
from e2e.contract.ray_head import RayHead
from rayctl.core.autoscale.feedback import FailedRequest, Feedback, PendingInstance, PendingRequest

pytestmark = [pytest.mark.ray, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ray_head() -> AsyncIterator[RayHead]:
    """One head for all cases."""
    head = RayHead()
    try:
        await head.start()
        yield head
    finally:
        await head.stop()
        head.clean()


@pytest_asyncio.fixture(loop_scope="module")
async def head(ray_head: RayHead) -> AsyncIterator[RayHead]:
    """The head, asked for nothing."""
    yield ray_head
    await ray_head.withdraw()
    async with a_client(ray_head) as client:
        await until(client, lambda seen: not (seen.demands or seen.gangs or seen.constraint))


async def test_ray_status_shows_what_was_reported(head: RayHead) -> None:
    feedback = Feedback(
        pending_instances=(PendingInstance("pod-7", WORKER_TYPE, "ImagePullBackOff: no such image"),),
        pending_requests=(PendingRequest("other-type"), PendingRequest("other-type")),
        failed_requests=(FailedRequest("gpu-type", 1, "exceeded quota: gpus", 1.0, 2.0),),
    )
    async with a_client(head) as client:
        await client.report(feedback, await client.read_report_version() + 1)

        status = await head.status()

    assert f"pod-7: {WORKER_TYPE}, imagepullbackoff: no such image" in status
    assert "other-type, 2 launching" in status
    assert "gpu-type: LaunchFailed" in status
    assert "exceeded quota: gpus" in status
