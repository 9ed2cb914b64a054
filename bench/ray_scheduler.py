"""Ray's own scheduler on the same cases: the v2 ``ResourceDemandScheduler`` of its autoscaler.

Part of the ``ray`` package, which the development environment has. Its answers are compared.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.planner_cases import Case, Node, Resources


@dataclass(frozen=True, slots=True)
class RayAnswer:
    """What Ray would launch, what it can't place, and how long it took to find out."""

    seconds: float
    launch: Mapping[str, int]
    unmet: tuple[Resources, ...]


def is_installed() -> bool:
    """Return whether the ``ray`` package is there."""
    try:
        import ray  # noqa: F401
    except ImportError:
        return False
    return True


def schedule(case: Case, limit: float) -> RayAnswer | None:
    """Return Ray's answer, or None when it took more than ``limit`` seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(case, theirs))
    process.start()
    try:
        # It takes some seconds to import ray, which are not Ray's scheduler's.
        ours.recv() if ours.poll(60) else None
        answer: RayAnswer | None = ours.recv() if ours.poll(limit) else None
    finally:
        process.terminate()
        process.join()
    return answer


def _answer(case: Case, out: Connection) -> None:
    request = scheduling_request(case)
    out.send("ready")
    out.send(answer(request))


def answer(request: Any) -> RayAnswer:
    """Return Ray's answer to a request of its own making."""
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler

    logging.disable(logging.CRITICAL)
    start = time.perf_counter()
    reply = ResourceDemandScheduler().schedule(request)
    return RayAnswer(
        seconds=time.perf_counter() - start,
        launch={each.instance_type: each.count for each in reply.to_launch},
        unmet=tuple(dict(each.resources_bundle) for each in reply.infeasible_resource_requests),
    )


def scheduling_request(case: Case) -> Any:
    """Return a case as Ray's scheduler is given it."""
    from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
    from ray.autoscaler.v2.scheduler import SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil
    from ray.core.generated.autoscaler_pb2 import ResourceRequestByCount

    types = {"head": NodeTypeConfig("head", 0, 1, resources={"CPU": 0})}
    for name, kind in case.types.items():
        types[name] = NodeTypeConfig(
            name, 0, kind.maximum, resources=dict(kind.resources), labels=dict(kind.labels)
        )
    requests = [
        ResourceRequestByCount(request=ResourceRequestUtil.make(dict(resources)), count=count)
        for resources, count in case.demands
    ]
    for each in requests:
        each.request.label_selectors.add()  # as the GCS sends it
    return SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=types,
        max_num_nodes=100_000,
        idle_timeout_s=60,
        resource_requests=requests,
        current_instances=[_instance(index, node, case) for index, node in enumerate(case.nodes)],
    )


def _instance(index: int, node: Node, case: Case) -> Any:
    from ray.autoscaler.v2.schema import AutoscalerInstance
    from ray.core.generated.autoscaler_pb2 import NodeState, NodeStatus
    from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

    kind = case.types[node.type]
    number = index.to_bytes(28, "big")
    own = {
        f"node:10.{index >> 16}.{index >> 8 & 255}.{index & 255}": 1.0,
        "object_store_memory": 4.0 * (1 << 30),
    }
    return AutoscalerInstance(
        ray_node=NodeState(
            node_id=number,
            instance_id=f"pod-{index}",
            ray_node_type_name=node.type,
            total_resources={**kind.resources, **own},
            available_resources={**node.available, **own},
            status=NodeStatus.IDLE if node.idle else NodeStatus.RUNNING,
            labels={**kind.labels, "ray.io/node-id": number.hex()},
        ),
        im_instance=Instance(
            instance_id=f"im-{index}",
            status=Instance.RAY_RUNNING,
            instance_type=node.type,
            node_id=number.hex(),
            cloud_instance_id=f"pod-{index}",
            node_kind=NodeKind.WORKER,
        ),
        cloud_instance_id=f"pod-{index}",
    )
