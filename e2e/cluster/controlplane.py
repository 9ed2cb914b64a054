"""The control plane's four programs: their arguments, and how each tells that it is ready.

Everything listens on one address: loopback for the profile `apiserver`, the bridge for `nodes`.
"""

import ssl
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

from cryptography.hazmat.primitives.asymmetric import ec

from e2e.cluster import process
from e2e.cluster.certificates import Authority, Identity, write_key
from e2e.cluster.interface import Component, Profile
from e2e.cluster.layout import Layout
from e2e.cluster.network import Subnet
from e2e.cluster.state import Facts, Journal

ADMINISTRATOR = Identity("rayctl-bed-admin", "system:masters")
READY_SECONDS = 60
# etcd and the API server wait for their clients' streams to end, which end only because the server does.
GRACE_SECONDS = 2
# A peer port of etcd and the ports below are needed beside the API server's own.
PORTS = (
    Component.APISERVER.value,
    Component.CONTROLLER_MANAGER.value,
    Component.SCHEDULER.value,
    Component.ETCD.value,
    "etcd-peer",
)
# Bodies are left out: they would triple the log, and Secrets would be in it.
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""
# Of a bed that is recorded: what each write made of its object, by whom. Placing a pod on a node is nobody's
# concern, and of Events it is enough to know that they were written.
RECORDING_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
omitManagedFields: true
rules:
- level: None
  verbs: [get, list, watch]
- level: None
  namespaces: [kube-node-lease, kube-system]
- level: RequestResponse
  resources:
  - {group: "", resources: [pods, pods/status, services]}
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: cluster.ray.io}
- level: Metadata
"""
# Stock limits (20 to 50 requests a second) would be what a scale benchmark measures.
_WITHOUT_ENDPOINTS = (
    "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"
)
"""Fake pods have loopback addresses, which endpoints must not have; and nobody there would use any."""
UNTHROTTLED = ("--kube-api-qps=500", "--kube-api-burst=1000")


class ControlPlane:
    """Starts, probes and stops the programs of one bed's control plane."""

    def __init__(self, layout: Layout, facts: Facts) -> None:
        self._layout = layout
        self._facts = facts
        self._network = Subnet(facts.subnet) if facts.subnet else None
        self.address = self._network.gateway if self._network else "127.0.0.1"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self._facts.ports[Component.APISERVER]}"

    @property
    def etcd(self) -> str:
        """The URL of etcd, for clients."""
        return f"http://{self.address}:{self._facts.ports[Component.ETCD]}"

    def prepare(self) -> Authority:
        """Make keys, certificates, kubeconfigs and the audit policy."""
        layout = self._layout
        authority = Authority(layout.keys)
        services = self._network.first_service if self._network else "10.96.0.1"
        served = ("127.0.0.1", "localhost", self.address, services, "kubernetes", "kubernetes.default")
        authority.issue("apiserver", Identity("kube-apiserver", names=(*served, "kubernetes.default.svc")))
        authority.issue("kubelet-client", ADMINISTRATOR)
        write_key(layout.keys / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
        context = f"rayctl-{self._facts.name}"
        authority.write_kubeconfig(layout.kubeconfig, self.server, context, ADMINISTRATOR)
        for component in (Component.CONTROLLER_MANAGER, Component.SCHEDULER):
            who = Identity(f"system:{component}")
            authority.write_kubeconfig(layout.kubeconfig_of(component), self.server, context, who)
        policy = RECORDING_POLICY if self._facts.recorded else AUDIT_POLICY
        (layout.root / "audit-policy.yaml").write_text(policy)
        layout.logs.mkdir(exist_ok=True)
        return authority

    def start(self, component: Component) -> None:
        """Start a component unless it runs, and wait until it answers."""
        journal = Journal(self._layout.journal)
        running = journal.find_process(component)
        if running is None or not process.is_alive(running):
            running = process.start(self._layout, component, self.arguments(component))
        log = self._layout.logs / f"{component}.log"
        process.wait_until(
            lambda: self.is_ready(component), f"{component} is ready", READY_SECONDS, running, log
        )

    def stop(self, component: Component) -> None:
        """Stop a component; returns when its process is gone."""
        running = Journal(self._layout.journal).find_process(component)
        if running is not None:
            process.end([running], GRACE_SECONDS)

    def kill(self, component: Component) -> None:
        """Kill a component as a crash would, in the midst of whatever it does."""
        running = Journal(self._layout.journal).find_process(component)
        if running is not None:
            process.end([running], 0)

    def runs(self, component: Component) -> bool:
        """Whether its process is there."""
        running = Journal(self._layout.journal).find_process(component)
        return running is not None and process.is_alive(running)

    def is_ready(self, component: Component) -> bool:
        """Ask the component itself; the API server counts as ready when all its post-start hooks have run."""
        port = self._facts.ports[component]
        match component:
            case Component.ETCD:
                return self._answers(f"http://{self.address}:{port}/health")
            case Component.APISERVER:
                return self._answers(f"https://{self.address}:{port}/readyz")
            case Component.CONTROLLER_MANAGER | Component.SCHEDULER:
                return self._answers(f"https://{self.address}:{port}/healthz")

    def _answers(self, url: str) -> bool:
        # Health paths are open to everyone, and two components sign their own certificate: nothing to verify.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def arguments(self, component: Component) -> Sequence[str]:
        """The command line of a component."""
        program = str(Path(self._facts.binaries) / component)
        match component:
            case Component.ETCD:
                return [program, *self._etcd()]
            case Component.APISERVER:
                return [program, *self._apiserver()]
            case Component.CONTROLLER_MANAGER:
                return [program, *self._controller_manager()]
            case Component.SCHEDULER:
                return [program, *self._client_of(Component.SCHEDULER)]

    def _etcd(self) -> list[str]:
        client = self.etcd
        peer = f"http://{self.address}:{self._facts.ports['etcd-peer']}"
        return [
            f"--data-dir={self._layout.root / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # a bed need not survive a power cut; a shared disk would be what we measure
            f"--quota-backend-bytes={4 << 30}",
            "--log-level=warn",
        ]

    def _apiserver(self) -> list[str]:
        keys, ports = self._layout.keys, self._facts.ports
        return [
            f"--etcd-servers={self.etcd}",
            # what is recorded is read from etcd itself; no client can tell the difference
            *(["--storage-media-type=application/json"] if self._facts.recorded else []),
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            f"--secure-port={ports[Component.APISERVER]}",
            f"--client-ca-file={keys / 'ca.crt'}",
            f"--tls-cert-file={keys / 'apiserver.crt'}",
            f"--tls-private-key-file={keys / 'apiserver.key'}",
            f"--service-account-key-file={keys / 'service-accounts.key'}",
            f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self._network.services if self._network else '10.96.0.0/16'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            # else `kubectl logs` and `exec` look the node's name up
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={keys / 'ca.crt'}",
            f"--kubelet-client-certificate={keys / 'kubelet-client.crt'}",
            f"--kubelet-client-key={keys / 'kubelet-client.key'}",
            # an Endpoints object may not hold a loopback address, and without nodes nobody reads it
            *(["--endpoint-reconciler-type=none"] if self._facts.profile is Profile.APISERVER else []),
            f"--audit-policy-file={self._layout.root / 'audit-policy.yaml'}",
            f"--audit-log-path={self._layout.audit_log}",
        ]

    def _controller_manager(self) -> list[str]:
        keys = self._layout.keys
        return [
            *self._client_of(Component.CONTROLLER_MANAGER),
            f"--service-account-private-key-file={keys / 'service-accounts.key'}",
            f"--root-ca-file={keys / 'ca.crt'}",
            "--use-service-account-credentials",
            "--allocate-node-cidrs=false",  # each node's CNI configuration has its range
            *([_WITHOUT_ENDPOINTS] if self._facts.profile is Profile.APISERVER else []),
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=20s",  # 50 s otherwise: tests that lose a node wait for it
        ]

    def _client_of(self, component: Component) -> list[str]:
        config = self._layout.kubeconfig_of(component)
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--client-ca-file={self._layout.keys / 'ca.crt'}",
            f"--bind-address={self.address}",
            f"--secure-port={self._facts.ports[component]}",
            "--leader-elect=false",  # one of each: waiting for a Lease would only delay a restart
            f"--cert-dir={self._layout.root / 'self-signed' / component}",
            *UNTHROTTLED,
        ]
