"""A RayCluster with every field of ours and most that people use of a Pod: what bad specs are made of."""

from __future__ import annotations

from typing import Any

import yaml

_TEXT = """
apiVersion: cluster.ray.io/v1
kind: RayCluster
metadata:
  name: good
  labels: {app.kubernetes.io/part-of: tests}
  annotations: {example.com/note: a note}
spec:
  maxWorkers: 2
  upscalingSpeed: 1.5
  idleTimeoutMinutes: 5
  suspend: false
  drainTimeoutSeconds: 30
  joinTimeoutSeconds: 60
  ttlSecondsAfterIdle: 3600
  upgradeStrategy: {type: RollingUpdate, maxUnavailable: 25%, maxSurge: 1}
  headService: {type: ClusterIP, annotations: {example.com/internal: "true"}}
  headServicePorts:
  - {name: client, port: 10001, targetPort: 10001}
  - {name: web, port: 80, targetPort: serve}
  headSetupCommands: [echo head]
  workerSetupCommands: [echo worker]
  headStartRayCommands: [ray stop, ray start --head --port=6379]
  workerStartRayCommands: ["ray start --address=$RAY_HEAD_IP:6379"]
  headPodType: head
  podTypes:
  - name: head
    rayResources: {CPU: 0}
    podConfig:
      apiVersion: v1
      kind: Pod
      spec:
        containers:
        - {name: ray, image: "rayproject/ray:2.60.0", ports: [{name: serve, containerPort: 8000}]}
  - name: cpu
    minWorkers: 1
    maxWorkers: 2
    rayResources: {Custom: 1}
    setupCommands: [echo type]
    workerSetupCommands: [echo type]
    upgradeStrategy: {type: Recreate}
    podConfig:
      apiVersion: v1
      kind: Pod
      metadata:
        generateName: good-worker-
        labels: {team: a}
        annotations: {example.com/note: a note}
      spec:
        restartPolicy: Never
        terminationGracePeriodSeconds: 60
        nodeSelector: {disk: fast}
        tolerations: [{key: gpu, operator: Exists}]
        volumes: [{name: dshm, emptyDir: {medium: Memory}}]
        initContainers:
        - {name: fetch, image: "busybox:1", command: [fetch]}
        containers:
        - name: ray
          image: rayproject/ray:2.60.0
          command: [/bin/bash, -c]
          args: ["trap : TERM INT; sleep infinity & wait;"]
          env: [{name: A, value: x}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          ports: [{name: metrics, containerPort: 8080}]
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm}]
"""


def good_spec() -> dict[str, Any]:
    """Return it, for the caller to change."""
    document: dict[str, Any] = yaml.safe_load(_TEXT)
    return document
