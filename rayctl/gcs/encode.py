"""The planner's records to messages: what the GCS is told and asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from rayctl.core.autoscale.demand import GRAIN, Demand, DrainReason, Gang, NodeId, Term
from rayctl.core.autoscale.feedback import Feedback
from rayctl.gcs import protocol_pb2 as pb


def drain(
    node_id: NodeId, reason: DrainReason, message: str, deadline: datetime | None
) -> pb.DrainNodeRequest:
    """Return the request that a node should leave; None is no deadline."""
    match reason:
        case DrainReason.IDLE:
            number = pb.DRAIN_NODE_REASON_IDLE_TERMINATION
        case DrainReason.PREEMPTION:
            number = pb.DRAIN_NODE_REASON_PREEMPTION
        case _:
            assert_never(reason)
    return pb.DrainNodeRequest(
        node_id=bytes.fromhex(node_id),
        reason=number,
        reason_message=message,
        deadline_timestamp_ms=0 if deadline is None else int(deadline.timestamp() * 1000),
    )


def report(feedback: Feedback, version: int) -> pb.ReportAutoscalingStateRequest:
    """Return the report of what is pending, has failed and is infeasible."""
    state = pb.AutoscalingState(
        autoscaler_state_version=version,
        pending_instance_requests=[
            pb.PendingInstanceRequest(ray_node_type_name=request.type, count=1)
            for request in feedback.pending_requests
        ],
        pending_instances=[
            pb.PendingInstance(
                ray_node_type_name=pod.type, instance_id=pod.pod, ip_address=pod.ip, details=pod.details
            )
            for pod in feedback.pending_instances
        ],
        failed_instance_requests=[
            pb.FailedInstanceRequest(
                ray_node_type_name=failed.type,
                count=failed.count,
                reason=failed.reason,
                start_ts=int(failed.since),
                failed_ts=int(failed.failed_at),
            )
            for failed in feedback.failed_requests
        ],
        infeasible_resource_requests=[_request(demand) for demand in feedback.infeasible],
        infeasible_gang_resource_requests=[_gang(gang) for gang in feedback.infeasible_gangs],
    )
    if feedback.infeasible_constraint:
        state.infeasible_cluster_resource_constraints.append(_constraint(feedback.infeasible_constraint))
    return pb.ReportAutoscalingStateRequest(autoscaling_state=state)


def constraint_request(demands: Iterable[Demand]) -> pb.RequestClusterResourceConstraintRequest:
    """Return the request that the cluster should have room for all of these."""
    return pb.RequestClusterResourceConstraintRequest(cluster_resource_constraint=_constraint(demands))


def _constraint(demands: Iterable[Demand]) -> pb.ClusterResourceConstraint:
    return pb.ClusterResourceConstraint(
        resource_requests=[
            pb.ResourceRequestByCount(request=_request(demand), count=demand.count) for demand in demands
        ]
    )


def _request(demand: Demand) -> pb.ResourceRequest:
    return pb.ResourceRequest(
        resources_bundle={resource: amount / GRAIN for resource, amount in demand.shape},
        label_selectors=[
            pb.LabelSelector(label_constraints=[_term(term) for term in selector])
            for selector in demand.selectors
        ],
    )


def _term(term: Term) -> pb.LabelSelectorConstraint:
    return pb.LabelSelectorConstraint(
        label_key=term.key,
        operator=pb.LABEL_OPERATOR_IN if term.is_in else pb.LABEL_OPERATOR_NOT_IN,
        label_values=sorted(term.values),
    )


def _gang(gang: Gang) -> pb.GangResourceRequest:
    requests = []
    for bundle in gang.bundles:
        requests += [_request(bundle)] * bundle.count
    return pb.GangResourceRequest(requests=requests, details=f"{gang.group}:{gang.strategy}|PENDING")
