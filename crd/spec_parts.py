"""The fields of those parts of a RayCluster's spec that are objects of their own, its pod types aside."""

from __future__ import annotations

from crd.schema import LABEL_LENGTH, Field, Rule, Shape, Side
from rayctl.api.auth import Auth
from rayctl.api.document import MAX_COUNT, Json
from rayctl.api.raycluster import HeadService, ScaleStrategy, ServicePort
from rayctl.api.upgrade import UpgradeStrategy

# The empty one counts as the number of the Service's port.
_TARGET_NAME = "^(([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*)?$"

# minimum and maximum look at numbers, pattern at strings.
_SHARE: dict[str, Json] = {"minimum": 0, "maximum": MAX_COUNT, "pattern": "^(100|[0-9]{1,2})%$"}

UPGRADE_STRATEGY = Shape(
    UpgradeStrategy,
    Side.SPEC,
    (
        Field(
            "type",
            "type",
            """How pods that an edit has made outdated are replaced. RollingUpdate: a few at a time. Recreate:
            all of a type at once, and their successors once they are gone. OnDelete: they stay, and whoever
            deletes one gets a new one.""",
        ),
        Field(
            "maxUnavailable",
            "max_unavailable",
            """RollingUpdate: how many workers of a type may be missing meanwhile, as a number or as a
            percentage of those wanted, rounded down. Where this and maxSurge come to nothing, 1.""",
            limits=_SHARE,
        ),
        Field(
            "maxSurge",
            "max_surge",
            """RollingUpdate: how many workers more than wanted a type may have meanwhile, as a number or as
            a percentage, rounded up.""",
            limits=_SHARE,
        ),
    ),
)

HEAD_SERVICE = Shape(
    HeadService,
    Side.SPEC,
    (
        Field(
            "type",
            "type",
            """Who can reach the head's Service: ClusterIP, those within the Kubernetes cluster; NodePort,
            also whoever reaches its nodes; LoadBalancer, also whoever reaches the balancer that is made.""",
        ),
        Field(
            "annotations",
            "annotations",
            "Annotations of the Service, such as those that a cloud's load balancer is told by.",
            limits={"additionalProperties": {"type": "string"}},
        ),
    ),
)

AUTH = Shape(
    Auth,
    Side.SPEC,
    (
        Field(
            "mode",
            "mode",
            """token: whoever talks to Ray, its own nodes included, has to know the token. It takes Ray 2.52
            or later.""",
        ),
        Field(
            "secretName",
            "secret",
            """The Secret that holds the token, under auth_token. The operator has to be given the right to
            get that one Secret (deploy/token-role.yaml).""",
            limits={"maxLength": 253},
        ),
    ),
    rules=(
        Rule(
            holds="!has(self.mode) || self.mode != 'token' || has(self.secretName) && self.secretName != ''",
            message="mode token needs the name of the Secret that holds the token, under auth_token",
            at=".secretName",
        ),
    ),
)

SCALE_STRATEGY = Shape(
    ScaleStrategy,
    Side.SPEC,
    (
        Field(
            "workersToDelete",
            "workers_to_delete",
            """Workers that go before all others, by the names of their pods: when what runs on them has
            ended, or after drainTimeoutSeconds. Where they are still needed, others come for them.""",
            limits={"maxItems": 1000, "items": {"type": "string", "maxLength": 253}},
        ),
    ),
)

SERVICE_PORT = Shape(
    ServicePort,
    Side.SPEC,
    (
        Field(
            "name",
            "name",
            """Name of the port. The name of a default (client, dashboard, ray-serve) replaces that one;
            another name adds a port.""",
            limits={"maxLength": LABEL_LENGTH},
            rules=(
                Rule(
                    holds="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                    message="a Service port's name has only a-z, 0-9 and '-', and '-' neither first nor last",
                ),
            ),
        ),
        Field("port", "port", "The port of the Service.", limits={"minimum": 1, "maximum": 65535}),
        Field(
            "targetPort",
            "target",
            "The port of the head's container: its number, or its name in the container's ports.",
            # minimum and maximum look at numbers, maxLength at names.
            limits={"minimum": 1, "maximum": 65535, "maxLength": 15},
            rules=(
                Rule(
                    holds=f"type(self) == int || self.matches('{_TARGET_NAME}')",
                    message="a port's name has only a-z, 0-9 and '-', and a letter; a number has no quotes",
                ),
            ),
        ),
    ),
)
