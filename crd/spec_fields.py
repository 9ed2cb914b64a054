"""The fields of a RayCluster's spec: names, words, limits, rules. What each does: docs/raycluster.md."""

from __future__ import annotations

from crd.pod import POD
from crd.schema import LABEL_LENGTH, Field, Rule, Shape, Side
from rayctl.api.document import Document
from rayctl.api.name_rules import LONGEST_NAME, MOST_LABELS, MOST_RESOURCES
from rayctl.api.names import head_service_name
from rayctl.api.quantity import MAX_AMOUNT
from rayctl.api.raycluster import PodType, RayCluster

# Bounds that no real cluster meets; without them the API server refuses the rules as too dear.
_MOST_POD_TYPES = 100
_MOST_SERVICE_PORTS = 100

# Ray starts no node with a fraction of a resource.
_AMOUNT: Document = {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_AMOUNT}

POD_TYPE = Shape(
    PodType,
    Side.SPEC,
    (
        Field(
            "name",
            "name",
            """Name of the type. Pods carry it as the label ray-user-node-type, and Ray reports demands and
            nodes by it.""",
            rules=(
                Rule(
                    holds="self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
                    message="a pod type's name becomes a pod label: only letters, digits, '-', '_' and '.', "
                    "the first and the last a letter or digit",
                ),
            ),
        ),
        Field(
            "minWorkers",
            "min_workers",
            """Workers of this type that are there even when nothing is to be done. For the head's type:
            workers of the same shape beside the head.""",
        ),
        Field(
            "maxWorkers",
            "max_workers",
            """The most workers of this type. Where it is below minWorkers, it wins. Left out: the cluster's
            maxWorkers, but 0 for the head's type.""",
        ),
        Field(
            "rayResources",
            "ray_resources",
            """What Ray is told that a pod of this type offers, by the name of the resource: custom resources
            such as {"accelerator": 1}, or another number than the detected one, such as {"CPU": 0} for a head
            that shall run no tasks. Whole numbers; memory and object_store_memory are in bytes.""",
            limits={"additionalProperties": _AMOUNT, "maxProperties": MOST_RESOURCES},
        ),
        Field(
            "setupCommands",
            "setup_commands",
            """Shell commands that run in each pod of this type before Ray starts, one after the other, after
            headSetupCommands or workerSetupCommands of the cluster. The first that fails ends the pod.""",
        ),
        Field(
            "workerSetupCommands",
            "setup_commands",
            "The same as setupCommands, which it replaces where both are given.",
        ),
        Field(
            "labels",
            "labels",
            """Labels of this type's Ray nodes, which tasks, actors and placement groups select by
            (label_selector), such as {"zone": "a"}. Ray adds ray.io/node-group, the type's name.""",
            limits={"additionalProperties": {"type": "string"}, "maxProperties": MOST_LABELS},
        ),
        Field(
            "numOfHosts",
            "hosts",
            """Workers of this type come and go in slices of so many, as the hosts of a TPU slice do: one that
            is lost takes its slice along. minWorkers is rounded up to whole slices, maxWorkers down.""",
            limits={"minimum": 1},
        ),
        Field(
            "priority",
            "priority",
            """Where several types would do, those of a higher priority are used up to their maxWorkers before
            one of a lower priority is touched.""",
        ),
        Field(
            "idleTimeoutSeconds",
            "idle_seconds",
            """A worker of this type that has had nothing to do for so long is removed. Left out: the
            cluster's idleTimeoutMinutes.""",
        ),
        Field(
            "upgradeStrategy",
            "upgrade",
            """How an edit of this type is rolled out, instead of the cluster's upgradeStrategy, of which
            nothing is taken over.""",
        ),
        Field(
            "podConfig",
            "pod",
            """The Pod of this type. All that a Pod may have is passed on: volumes, tolerations, sidecars, ...
            Labels and annotations are kept. Names begin with metadata.generateName, after "<cluster>-" where
            that is not its beginning already.""",
            limits=POD,
        ),
    ),
)

SPEC = Shape(
    RayCluster,
    Side.SPEC,
    (
        Field("headPodType", "head_type", "Which of podTypes the head is, by its name."),
        Field(
            "podTypes",
            "pod_types",
            "The shapes of pod that the cluster is made of: the head's, and any number for workers.",
            limits={
                "minItems": 1,
                "maxItems": _MOST_POD_TYPES,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
        Field(
            "maxWorkers",
            "max_workers",
            "The most workers of the whole cluster, the head not counted. It caps what the types ask for.",
        ),
        Field(
            "upscalingSpeed",
            "upscaling_speed",
            """How fast workers are added. Of each type at most upscalingSpeed times the running ones, but at
            least 5, may be on their way at once; minWorkers is not held back by it. 0 means the default.""",
        ),
        Field(
            "idleTimeoutMinutes",
            "idle_timeout_minutes",
            "A worker that has had nothing to do for so many minutes is removed; 0.5 is half a minute.",
        ),
        Field(
            "headServicePorts",
            "service_ports",
            """Ports of the Service <cluster>-ray-head beside or instead of the defaults: client 10001,
            dashboard 8265, ray-serve 8000.""",
            limits={
                "maxItems": _MOST_SERVICE_PORTS,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            rules=(
                Rule(
                    holds="self.all(p, self.exists_one(q, q.port == p.port))",
                    message="two entries have the same port number; give each one of its own",
                ),
            ),
        ),
        Field(
            "headService",
            "head_service",
            "What the Service <cluster>-ray-head is like, its ports aside.",
        ),
        Field("scaleStrategy", "scale", "Which workers are to go."),
        Field("auth", "auth", "Whether Ray asks its callers for a token."),
        Field(
            "suspend",
            "suspend",
            """true: all pods go, the workers after their time to drain, and the Service and this object stay.
            false again brings a fresh Ray cluster.""",
        ),
        Field(
            "upgradeStrategy",
            "upgrade",
            """How an edit that changes pods is rolled out, for all types that have no strategy of their own.
            An edit of the head's type restarts the whole cluster.""",
        ),
        Field(
            "drainTimeoutSeconds",
            "drain_seconds",
            """How long a worker that is to go has for the tasks that run on it; then its pod is deleted, idle
            or not. 0: its tasks are not waited for.""",
        ),
        Field(
            "joinTimeoutSeconds",
            "join_seconds",
            """A pod whose container runs for so long without having joined Ray is replaced: a worker counted
            from when its head is ready, a head from its own start. 0: it is waited for, however long it
            takes.""",
        ),
        Field(
            "ttlSecondsAfterIdle",
            "idle_seconds",
            """A cluster that has had nothing to do for so long is suspended, head and all, as by suspend:
            true. Left out: it stays.""",
        ),
        Field(
            "headSetupCommands",
            "head_setup_commands",
            "Shell commands that run in the head's pod before Ray starts. The first that fails ends the pod.",
        ),
        Field(
            "workerSetupCommands",
            "worker_setup_commands",
            "Shell commands that run in each worker's pod before Ray starts, before those of its type.",
        ),
        Field(
            "headStartRayCommands",
            "head_start_commands",
            """Shell commands that start Ray on the head, instead of the operator's own. Each runs in a shell
            of its own.""",
        ),
        Field(
            "workerStartRayCommands",
            "worker_start_commands",
            """Shell commands that start Ray on a worker, instead of the operator's own. $RAY_HEAD_IP is the
            head's address: ray start --address=$RAY_HEAD_IP:6379""",
        ),
        Field(
            "workerDefaultPodType",
            None,
            "Deprecated: without effect. It is accepted because the oldest files have it.",
        ),
    ),
    elsewhere=frozenset({"key", "uid", "generation", "restarts"}),
    rules=(
        Rule(
            holds="self.podTypes.exists(t, t.name == self.headPodType)",
            message="headPodType must be the name of one of podTypes",
            # Listing the names there are would cost more than the API server allows a rule.
            says='"no pod type is called \'" + self.headPodType + "\'; name one of podTypes"',
            at=".headPodType",
        ),
    ),
)

# Of the whole object: the head's Service is called after the cluster, and must have a legal name. Looked at
# only when a cluster is made, as a name never changes and an old object must still be deletable.
NAME_RULES = (
    Rule(
        holds=f"self.metadata.name.size() <= {LONGEST_NAME}",
        message=f"too long: at most {LONGEST_NAME} characters, as the head's Service is "
        f"called {head_service_name('<name>')} and may have {LABEL_LENGTH}",
        at=".metadata.name",
        on_create_only=True,
    ),
    Rule(
        holds="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message=f"must begin with a letter and have no '.', as the head's Service is called "
        f"{head_service_name('<name>')}",
        at=".metadata.name",
        on_create_only=True,
    ),
)
