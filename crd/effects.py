"""What an edit of a field restarts, for the tables of docs/raycluster.md; a test edits each and looks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Effect(StrEnum):
    """What an edit does to what runs."""

    NOTHING = "restarts nothing"
    SERVICE = "changes the Service in place"
    PODS = "replaces the pods of the type; of the head's type: the whole cluster"
    WORKERS = "replaces all workers"
    CLUSTER = "restarts the whole cluster"
    TYPES = "drains and removes the pods of types that are gone; makes those of new ones"
    ALL_AWAY = "true drains and removes all pods; false makes them anew"


EFFECTS: Mapping[str, Effect] = {
    "spec.headPodType": Effect.CLUSTER,
    "spec.podTypes": Effect.TYPES,
    "spec.maxWorkers": Effect.NOTHING,
    "spec.upscalingSpeed": Effect.NOTHING,
    "spec.idleTimeoutMinutes": Effect.NOTHING,
    "spec.headServicePorts": Effect.SERVICE,
    "spec.headService": Effect.SERVICE,
    "spec.scaleStrategy": Effect.NOTHING,
    "spec.auth": Effect.CLUSTER,
    "spec.suspend": Effect.ALL_AWAY,
    "spec.upgradeStrategy": Effect.NOTHING,
    "spec.drainTimeoutSeconds": Effect.NOTHING,
    "spec.joinTimeoutSeconds": Effect.NOTHING,
    "spec.ttlSecondsAfterIdle": Effect.NOTHING,
    "spec.headSetupCommands": Effect.CLUSTER,
    "spec.workerSetupCommands": Effect.WORKERS,
    "spec.headStartRayCommands": Effect.CLUSTER,
    "spec.workerStartRayCommands": Effect.WORKERS,
    "spec.workerDefaultPodType": Effect.NOTHING,
    "spec.podTypes[].name": Effect.TYPES,
    "spec.podTypes[].minWorkers": Effect.NOTHING,
    "spec.podTypes[].maxWorkers": Effect.NOTHING,
    "spec.podTypes[].rayResources": Effect.PODS,
    "spec.podTypes[].setupCommands": Effect.PODS,
    "spec.podTypes[].workerSetupCommands": Effect.PODS,
    "spec.podTypes[].labels": Effect.PODS,
    "spec.podTypes[].numOfHosts": Effect.PODS,
    "spec.podTypes[].priority": Effect.NOTHING,
    "spec.podTypes[].idleTimeoutSeconds": Effect.NOTHING,
    "spec.podTypes[].upgradeStrategy": Effect.NOTHING,
    "spec.podTypes[].podConfig": Effect.PODS,
}
