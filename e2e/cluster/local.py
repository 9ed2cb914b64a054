"""Provider `local`: a cluster made of processes of this machine, by its profile with or without nodes."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.interface import Component, Profile
from e2e.cluster.kubectl import environment_for, run_kubectl
from e2e.cluster.layout import Layout
from e2e.cluster.process import is_alive, wait_until
from e2e.cluster.progress import Progress
from e2e.cluster.state import Facts, Journal, Kind


class LocalCluster:
    """A running bed of this machine; any number of processes may hold one for the same bed."""

    def __init__(self, layout: Layout, facts: Facts) -> None:
        self._layout = layout
        self._facts = facts
        self.control_plane = ControlPlane(layout, facts)

    def begin(self, progress: Progress) -> None:
        """Start a bed of which nothing runs yet."""
        with progress.step("make certificates"):
            self.control_plane.prepare()
        for component in (Component.ETCD, Component.APISERVER):
            with progress.step(f"start {component}"):
                self.start(component)
        with progress.step("start kube-controller-manager and kube-scheduler"), ThreadPoolExecutor() as pool:
            list(pool.map(self.start, (Component.CONTROLLER_MANAGER, Component.SCHEDULER)))
            wait_until(self._has_default_service_account, "the default ServiceAccount is there", 30)

    def is_healthy(self) -> bool:
        """Whether all of the control plane answers."""
        return all(self.control_plane.is_ready(component) for component in Component)

    def describe(self) -> Iterator[str]:
        """Lines for a person: what runs of the bed and what does not."""
        yield f"{self.name}: profile {self.profile}, {self.control_plane.server}"
        yield f"  KUBECONFIG={self.kubeconfig}"
        latest = {r.name: r for r in Journal(self._layout.journal).resources() if r.kind is Kind.PROCESS}
        for name, running in latest.items():
            state = f"process {running.pid}" if is_alive(running) else "not running"
            yield f"  {name:<28} {state}"
        if self.control_plane.is_ready(Component.APISERVER):
            yield from (f"  {line}" for line in self.kubectl("get", "nodes").stdout.splitlines())

    def _has_default_service_account(self) -> bool:
        return self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0

    @property
    def name(self) -> str:
        """The bed's name."""
        return self._facts.name

    @property
    def profile(self) -> Profile:
        """What runs."""
        return self._facts.profile

    @property
    def namespace(self) -> str:
        """The whole cluster is the test's, so the ordinary namespace."""
        return "default"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._layout.kubeconfig

    @property
    def environment(self) -> Mapping[str, str]:
        """KUBECONFIG, and the bed's own kubectl first on PATH."""
        return environment_for(self._layout.kubeconfig, Path(self._facts.binaries))

    @property
    def audit_log(self) -> Path:
        """Each finished API request, one JSON object (audit.k8s.io/v1 Event) a line."""
        return self._layout.audit_log

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> CompletedProcess[str]:
        """Run kubectl as the administrator."""
        return run_kubectl(self.environment, args, stdin, check=check, timeout=timeout)

    def stop(self, component: Component) -> None:
        """Stop a part of the control plane."""
        self.control_plane.stop(component)

    def start(self, component: Component) -> None:
        """Start a part of the control plane."""
        self.control_plane.start(component)

    def restart(self, component: Component) -> None:
        """Stop, then start."""
        self.stop(component)
        self.start(component)
