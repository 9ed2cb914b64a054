"""The fields of a RayCluster's status: names and words. None has a limit: a report is never refused."""

from __future__ import annotations

from crd.schema import Field, Shape, Side
from rayctl.api.document import Document
from rayctl.api.status import Condition, ConditionType, HeadStatus, Phase, RayClusterStatus, TypeStatus

# An operator that is newer than the CRD (Helm never upgrades one) must find what it wrote, else it would
# write it again and again.
_KEEP_UNKNOWN: Document = {"x-kubernetes-preserve-unknown-fields": True}

HEAD = Shape(
    HeadStatus,
    Side.STATUS,
    (
        Field("podName", "pod_name", "The head's pod; empty while there is none."),
        Field(
            "podUID",
            "pod_uid",
            "UID of the newest head there was: another one means that the head was replaced.",
        ),
        Field("restarts", "restarts", "How often Ray's container was started again in that pod."),
        Field("podIP", "pod_ip", "The pod's address."),
        Field("serviceName", "service_name", "The Service in front of it: what clients connect to."),
        Field("ready", "ready", "Whether Ray on the head answers."),
    ),
    limits=_KEEP_UNKNOWN,
)

POD_TYPE = Shape(
    TypeStatus,
    Side.STATUS,
    (
        Field("name", "name", "Name of the type in spec.podTypes."),
        Field("min", "minimum", "Workers that are always wanted."),
        Field("desired", "desired", "Workers that are wanted now."),
        Field("running", "running", "Workers that have been started."),
        Field("ready", "ready", "Workers that are part of the Ray cluster."),
        Field("max", "maximum", "The most workers that there may be."),
        Field("failures", "failures", "Attempts to make a worker that failed in a row."),
        Field("outdated", "outdated", "Workers that an edit or a restart that was asked for will replace."),
        Field("draining", "draining", "Workers that leave as soon as what runs there has ended."),
    ),
    limits={"required": ["name"], **_KEEP_UNKNOWN},
)

CONDITION = Shape(
    Condition,
    Side.STATUS,
    (
        Field("type", "type", f"What is told of: {', '.join(ConditionType)}."),
        Field(
            "status",
            "true",
            "Whether it is so.",
            limits={"type": "string", "enum": ["True", "False", "Unknown"]},
        ),
        Field("reason", "reason", "Why, in one word for programs."),
        Field("message", "message", "Why, in words for people."),
        Field("observedGeneration", "observed_generation", "The generation of the spec that this is about."),
        Field("lastTransitionTime", "since", "When the status last changed."),
    ),
    limits={"required": ["type", "status", "lastTransitionTime", "reason", "message"]},
)

STATUS = Shape(
    RayClusterStatus,
    Side.STATUS,
    (
        Field("phase", "phase", f"How the cluster is, in one word: {', '.join(Phase)}."),
        Field(
            "observedGeneration",
            "observed_generation",
            """The generation of the spec that was last acted on. While it is below metadata.generation, an
            edit is still to be seen to.""",
            limits={"format": "int64"},
        ),
        Field(
            "conditions",
            "conditions",
            f"""Whether the spec was accepted, and what is ready; for kubectl wait
            --for=condition={ConditionType.HEAD_READY}""",
            limits={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
        Field("head", "head", "The head: its pod and its Service."),
        Field(
            "podTypes",
            "pod_types",
            "How many workers of each type there are, and should be.",
            limits={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
        Field("desiredWorkers", "desired_workers", "Workers of all types that are wanted now."),
        Field("readyWorkers", "ready_workers", "Workers of all types that are part of the Ray cluster."),
        Field("workers", None, "Ready and desired workers, as text: 2/3."),
        Field(
            "autoscalerRetries",
            "autoscaler_retries",
            "How often the head had to be replaced after a failure.",
        ),
        Field(
            "asleep",
            "asleep",
            """Set while the cluster is suspended for having been idle for ttlSecondsAfterIdle. Any edit of
            the spec wakes it, and so does the annotation cluster.ray.io/restartedAt.""",
        ),
    ),
    limits=_KEEP_UNKNOWN,
)
