"""The status of a RayCluster: what it holds, how it is written, how conditions keep their times.

Conditions follow Kubernetes' conventions: ``lastTransitionTime`` moves only when ``status`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from rayctl.api.document import Document, Json, Reader
from rayctl.api.names import TypeName

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Phase(StrEnum):
    """One word for people; the conditions say more."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    UPDATING = "Updating"
    SUSPENDED = "Suspended"
    ERROR = "Error"
    TERMINATING = "Terminating"


class ConditionType(StrEnum):
    """The conditions that we keep."""

    ACCEPTED = "Accepted"
    HEAD_READY = "HeadReady"
    WORKERS_READY = "WorkersReady"
    AUTOSCALING = "Autoscaling"
    UPGRADING = "Upgrading"
    SUSPENDED = "Suspended"


NEEDED = (ConditionType.ACCEPTED, ConditionType.HEAD_READY, ConditionType.WORKERS_READY)
"""What is true of a cluster that runs."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``true`` is None for Unknown."""

    type: str
    true: bool | None
    reason: str
    message: str = ""
    observed_generation: int = 0
    since: datetime | None = None
    """When ``true`` last changed; filled in by :func:`settle`."""


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """How it stands with the workers of one pod type."""

    name: TypeName
    minimum: int
    desired: int
    running: int
    ready: int
    maximum: int
    failures: int = 0
    """How many attempts to make a pod have failed in a row."""
    outdated: int = 0
    """Pods that were made of an earlier spec, or before a restart that was asked for."""
    draining: int = 0
    """Pods that leave as soon as what runs there has ended."""


@dataclass(frozen=True, slots=True)
class HeadStatus:
    """The head's pod and the Service in front of it; '' where there is none yet."""

    pod_name: str = ""
    pod_uid: str = ""
    """Another UID than before tells that the head was replaced, also where the name is the same."""
    restarts: int = 0
    """How often Ray's container was started again in that very pod."""
    pod_ip: str = ""
    service_name: str = ""
    ready: bool = False


@dataclass(frozen=True, slots=True)
class RayClusterStatus:
    """What we tell of a cluster. An empty one is that of a cluster which nobody has looked at yet."""

    phase: str = ""
    observed_generation: int = 0
    head: HeadStatus = HeadStatus()
    pod_types: tuple[TypeStatus, ...] = ()
    desired_workers: int = 0
    ready_workers: int = 0
    autoscaler_retries: int = 0
    asleep: str = ""
    """With which spec and restart mark it went to sleep for having been idle; '': it did not."""
    conditions: tuple[Condition, ...] = ()

    def find_condition(self, kind: str) -> Condition | None:
        """Return the condition of that type, or None."""
        return next((condition for condition in self.conditions if condition.type == kind), None)


def settle(wanted: RayClusterStatus, seen: RayClusterStatus, now: datetime) -> RayClusterStatus:
    """Return ``wanted`` with each condition's ``since``: the stored one where ``true`` stayed, else ``now``.

    Conditions that others put there are kept, after ours.
    """
    whole = now.replace(microsecond=0)
    ours = []
    for condition in wanted.conditions:
        before = seen.find_condition(condition.type)
        same = before is not None and before.true == condition.true and before.since is not None
        ours.append(replace(condition, since=before.since if same and before is not None else whole))
    names = {condition.type for condition in ours}
    foreign = [condition for condition in seen.conditions if condition.type not in names]
    return replace(wanted, conditions=(*ours, *foreign))


def status_document(status: RayClusterStatus) -> Document:
    """Return the status as the API stores it."""
    return {
        "phase": status.phase,
        "observedGeneration": status.observed_generation,
        "autoscalerRetries": status.autoscaler_retries,
        "asleep": status.asleep,
        "desiredWorkers": status.desired_workers,
        "readyWorkers": status.ready_workers,
        "workers": f"{status.ready_workers}/{status.desired_workers}",
        "head": {
            "podName": status.head.pod_name,
            "podUID": status.head.pod_uid,
            "restarts": status.head.restarts,
            "podIP": status.head.pod_ip,
            "serviceName": status.head.service_name,
            "ready": status.head.ready,
        },
        "podTypes": [
            {
                "name": kind.name,
                "min": kind.minimum,
                "desired": kind.desired,
                "running": kind.running,
                "ready": kind.ready,
                "max": kind.maximum,
                "failures": kind.failures,
                "outdated": kind.outdated,
                "draining": kind.draining,
            }
            for kind in status.pod_types
        ],
        "conditions": [_condition_document(condition) for condition in status.conditions],
    }


def _condition_document(condition: Condition) -> Document:
    return {
        "type": condition.type,
        "status": {True: "True", False: "False", None: "Unknown"}[condition.true],
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": condition.since.strftime(_TIME) if condition.since else None,
    }


def parse_status(document: Mapping[str, Json]) -> RayClusterStatus:
    """Return the stored status. What cannot be read counts as absent: it is a report, and written anew."""
    reader = Reader(document)
    head = reader.inner("head")
    return RayClusterStatus(
        phase=reader.text("phase"),
        observed_generation=reader.count("observedGeneration") or 0,
        head=HeadStatus(
            pod_name=head.text("podName"),
            pod_uid=head.text("podUID"),
            restarts=head.count("restarts") or 0,
            pod_ip=head.text("podIP"),
            service_name=head.text("serviceName"),
            ready=head.flag("ready"),
        ),
        pod_types=tuple(_parse_type(kind) for kind in reader.each("podTypes")),
        desired_workers=reader.count("desiredWorkers") or 0,
        ready_workers=reader.count("readyWorkers") or 0,
        autoscaler_retries=reader.count("autoscalerRetries") or 0,
        asleep=reader.text("asleep"),
        conditions=tuple(_parse_condition(condition) for condition in reader.each("conditions")),
    )


def _parse_type(reader: Reader) -> TypeStatus:
    def count(key: str) -> int:
        return reader.count(key) or 0

    return TypeStatus(
        name=TypeName(reader.text("name")),
        minimum=count("min"),
        desired=count("desired"),
        running=count("running"),
        ready=count("ready"),
        maximum=count("max"),
        failures=count("failures"),
        outdated=count("outdated"),
        draining=count("draining"),
    )


def _parse_condition(reader: Reader) -> Condition:
    try:
        since = (
            datetime.fromisoformat(reader.text("lastTransitionTime")).astimezone(UTC).replace(microsecond=0)
        )
    except (ValueError, OverflowError):  # the latter of a time before the year 1, in UTC
        since = None
    return Condition(
        type=reader.text("type"),
        true={"True": True, "False": False}.get(reader.text("status")),
        reason=reader.text("reason"),
        message=reader.text("message"),
        observed_generation=reader.count("observedGeneration") or 0,
        since=since,
    )
