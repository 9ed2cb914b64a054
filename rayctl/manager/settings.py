"""The operator's settings: flags, environment variables as defaults, checked before anything starts.

Everything else is given the values that it needs; nothing reads the environment later.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass

from rayctl.core.election.lease import Terms
from rayctl.manager.places import ALL, Places, name_in, names_in, several
from rayctl.telemetry.logs import Prefix

LONGEST_LEASE = 86_400
_AUTO = "auto"


class SettingsError(ValueError):
    """Settings that cannot work, in words: one sentence a problem."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator runs with. Durations in seconds."""

    namespaces: tuple[str, ...]
    """What is watched: names, or ``ALL``; (): that of the pod it runs in, or of the kubeconfig's context."""
    lease_namespace: str
    """'': that of the pod."""
    pod_namespace: str
    """'': not known."""
    kubeconfig: str
    """Path; '': kubectl's own rules, else the service account of the pod."""
    context: str
    lease_name: str
    terms: Terms
    health_port: int
    concurrent_reconciles: int
    parallel_calls: int
    log_level: str
    log_prefix: Prefix
    pod_name: str
    """'': not in a pod."""
    pod_uid: str
    traced: bool
    """Whether an OTLP endpoint is set; the exporter reads the rest of the ``OTEL_*`` variables itself."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the operator's flags to a parser."""
    where = parser.add_argument_group("where it works")
    where.add_argument(
        "-n",
        "--namespace",
        action="append",
        metavar="NAME[,NAME…]",
        help="watch the RayClusters of these namespaces; may be given again (default: "
        "$RAY_OPERATOR_POD_NAMESPACE, else that of the pod or of the kubeconfig's context)",
    )
    where.add_argument(
        "-A", "--all-namespaces", action="store_true", help="watch the RayClusters of all namespaces"
    )
    where.add_argument(
        "--kubeconfig", help="a kubeconfig file (default: kubectl's, else the pod's service account)"
    )
    where.add_argument("--context", help="the kubeconfig's context to use")

    lead = parser.add_argument_group("election of the leader among replicas")
    lead.add_argument("--lease-name", default="ray-operator", help="name of the Lease (default: %(default)s)")
    lead.add_argument(
        "--lease-namespace",
        metavar="NAME",
        help="namespace of the Lease (default: the pod's, which is $POD_NAMESPACE or "
        "$RAY_OPERATOR_POD_NAMESPACE, else the first that is watched)",
    )
    lead.add_argument(
        "--lease-duration",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="how long others wait for a leader that is silent (default: %(default)s)",
    )
    lead.add_argument(
        "--renew-deadline",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a leader acts without having renewed (default: %(default)s)",
    )
    lead.add_argument(
        "--retry-period",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="between two renewals, or two attempts (default: %(default)s)",
    )

    work = parser.add_argument_group("work")
    work.add_argument(
        "--concurrent-reconciles",
        type=int,
        default=32,
        metavar="N",
        help="clusters reconciled at once (default: %(default)s)",
    )
    work.add_argument(
        "--parallel-calls",
        type=int,
        default=8,
        metavar="N",
        help="API calls under way at once for one cluster, and pods of it not yet seen by the"
        " scheduler (default: %(default)s)",
    )

    tell = parser.add_argument_group("what it tells")
    tell.add_argument(
        "--health-port",
        type=int,
        default=8080,
        metavar="PORT",
        help="/healthz, /readyz and /metrics (default: %(default)s; 0: a free one)",
    )
    tell.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="default: %(default)s",
    )
    tell.add_argument(
        "--log-prefix",
        choices=[_AUTO, *(prefix.value for prefix in Prefix)],
        default=_AUTO,
        metavar="|".join((_AUTO, *Prefix)),
        help="what stands before the colon of each line about a cluster: its name, or name and namespace as "
        "the operators of Ray 1.4 and later wrote; auto: the name where one namespace is watched, else both "
        "(default: %(default)s)",
    )


def settings_from(flags: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that parsed flags and the environment give.

    Raises:
        SettingsError: they cannot work together.
    """
    env = os.environ if environment is None else environment
    for name in ("concurrent_reconciles", "parallel_calls"):
        if getattr(flags, name) < 1:
            raise SettingsError(f"--{name.replace('_', '-')} must be 1 or more")
    if not 0 <= flags.health_port <= 65535:
        raise SettingsError(f"--health-port {flags.health_port} is no port: use 0 to 65535")
    namespaces = _namespaces(flags, env)
    return Settings(
        namespaces=namespaces,
        lease_namespace=_name("--lease-namespace", flags.lease_namespace),
        pod_namespace=_name("POD_NAMESPACE", env.get("POD_NAMESPACE")) or _legacy_namespace(env),
        kubeconfig=flags.kubeconfig or "",
        context=flags.context or "",
        lease_name=flags.lease_name,
        terms=_terms(flags),
        health_port=flags.health_port,
        concurrent_reconciles=flags.concurrent_reconciles,
        parallel_calls=flags.parallel_calls,
        log_level=flags.log_level,
        log_prefix=_prefix(flags.log_prefix, namespaces),
        pod_name=env.get("POD_NAME", ""),
        pod_uid=env.get("POD_UID", ""),
        traced=any(
            env.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        ),
    )


def places(settings: Settings, own: str) -> Places:
    """Return where the operator works; ``own`` is the pod's or the kubeconfig's namespace."""
    watched = settings.namespaces or (own,)
    pod = settings.pod_namespace or (own if watched == ALL else watched[0])
    return Places(watched, settings.lease_namespace or pod, pod)


def _namespaces(flags: argparse.Namespace, env: Mapping[str, str]) -> tuple[str, ...]:
    if flags.all_namespaces:
        if flags.namespace:
            raise SettingsError("--namespace and --all-namespaces exclude each other: give one of them")
        return ALL
    if flags.namespace is None:
        return tuple(filter(None, [_legacy_namespace(env)]))
    try:
        return names_in("--namespace", flags.namespace)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _legacy_namespace(env: Mapping[str, str]) -> str:
    return _name("RAY_OPERATOR_POD_NAMESPACE", env.get("RAY_OPERATOR_POD_NAMESPACE"))


def _name(source: str, name: str | None) -> str:
    try:
        return name_in(source, name) if name else ""
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _prefix(word: str, namespaces: tuple[str, ...]) -> Prefix:
    if word != _AUTO:
        return Prefix(word)
    return Prefix.NAME_NAMESPACE if several(namespaces) else Prefix.NAME


def _terms(flags: argparse.Namespace) -> Terms:
    if not 1 <= flags.lease_duration <= LONGEST_LEASE:
        raise SettingsError(
            f"--lease-duration must be from 1 to {LONGEST_LEASE} s: a Lease counts whole seconds"
        )
    try:
        return Terms(flags.lease_duration, flags.renew_deadline, flags.retry_period)
    except ValueError as error:
        raise SettingsError(str(error)) from None
