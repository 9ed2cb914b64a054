"""Provider `local`: a cluster made of processes of this machine, by its profile with or without nodes."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

from e2e.cluster import evidence, fake_nodes, readiness
from e2e.cluster.certificates import Authority, Identity
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.images import ImageRef
from e2e.cluster.interface import BedError, Component, Profile, UnsupportedError
from e2e.cluster.kubectl import environment_for, run_kubectl
from e2e.cluster.layout import MARKER, Layout
from e2e.cluster.node import Node, index_of
from e2e.cluster.platform_services import PlatformServices
from e2e.cluster.process import is_alive, wait_until
from e2e.cluster.progress import Progress
from e2e.cluster.state import Facts, Journal, Kind, Resource
from e2e.cluster.stores import make_stores

STARTING_NODES = 2  # nodes that start at a time: more would only take the processors from each other


class LocalCluster:
    """A running bed of this machine; any number of processes may hold one for the same bed."""

    def __init__(self, layout: Layout, facts: Facts) -> None:
        self._layout = layout
        self._facts = facts
        self.control_plane = ControlPlane(layout, facts)
        self._services = PlatformServices(layout, facts) if facts.profile is Profile.NODES else None

    # ---- making it -----------------------------------------------------------------------------------------

    def begin(self, progress: Progress) -> None:
        """Start a bed of which nothing runs yet, without nodes."""
        if self._services:
            self._services.make_network()
            make_stores(self._layout)
        with progress.step("make certificates"):
            self.control_plane.prepare()
        for component in (Component.ETCD, Component.APISERVER):
            with progress.step(f"start {component}"):
                self.start(component)
        with progress.step("start kube-controller-manager and kube-scheduler"), ThreadPoolExecutor() as pool:
            list(pool.map(self.start, (Component.CONTROLLER_MANAGER, Component.SCHEDULER)))
            wait_until(self._has_default_service_account, "the default ServiceAccount is there", 30)
        if self._services:
            with progress.step("start the registry, fill it with images of the bed"):
                self._services.start_registry()
                dns_image = self._services.push_own_images(progress)
            self.kubectl("apply", "-f", "-", stdin=self._services.dns_manifest(dns_image))

    def have_nodes(self, count: int, progress: Progress) -> None:
        """See to it that there are at least `count` nodes, all Ready, and that DNS answers."""
        if self._services is None:
            return
        missing = count - len(self._made_nodes())
        if missing > 0:
            with progress.step(f"start {missing} nodes"):
                self._add_nodes(missing)
        readiness.wait_ready(self, self._made_nodes())
        with progress.step("wait for the cluster's DNS"):
            self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")

    def have_fake_nodes(self, count: int, progress: Progress) -> None:
        """See to it that there are at least `count` fake nodes, all Ready."""
        if count == 0:
            return
        if self._services:
            raise UnsupportedError("fake nodes beside real ones would take their pods: use profile apiserver")
        with progress.step(f"make {count} fake nodes"):
            fake_nodes.start_kwok(self._layout, self._facts)
            fake_nodes.make_fake_nodes(self, self._layout, count)

    def _add_nodes(self, count: int) -> tuple[str, ...]:
        first = max((index_of(name) for name in self._made_nodes()), default=0) + 1
        nodes = [Node(self._layout, self._facts, first + n) for n in range(count)]
        authority = Authority(self._layout.keys)
        services = self._get_services()
        for node in nodes:
            node.make(authority, self.control_plane.server, services.mirrors)
        with ThreadPoolExecutor(STARTING_NODES) as pool:
            list(pool.map(Node.start, nodes))

        def tend() -> None:
            for node in nodes:
                node.tend()

        readiness.wait_ready(self, [node.name for node in nodes], tend=tend)
        return tuple(node.name for node in nodes)

    def _made_nodes(self) -> tuple[str, ...]:
        directory = self._layout.root / "nodes"
        return tuple(path.name for path in directory.iterdir()) if directory.exists() else ()

    def _has_default_service_account(self) -> bool:
        return self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0

    # ---- looking at it -------------------------------------------------------------------------------------

    def is_healthy(self) -> bool:
        """Whether all that was begun is running, and the control plane answers.

        A run killed between making nodes and starting them leaves a bed that runs well as far as it goes.
        """
        processes = {process.name: process for process in self._latest_processes()}
        started = all(f"kube-proxy-{node}" in processes for node in self._made_nodes())
        return (
            started
            and all(map(is_alive, processes.values()))
            and all(self.control_plane.is_ready(component) for component in Component)
        )

    def describe(self) -> Iterator[str]:
        """Lines for a person: what runs of the bed and what does not."""
        yield f"{self.name}: profile {self.profile}, {self.control_plane.server}"
        yield f"  KUBECONFIG={self.kubeconfig}"
        for running in self._latest_processes():
            state = f"process {running.pid}" if is_alive(running) else "not running"
            yield f"  {running.name:<28} {state}"
        if self.control_plane.is_ready(Component.APISERVER):
            yield from (f"  {line}" for line in self.kubectl("get", "nodes").stdout.splitlines())

    def _latest_processes(self) -> Iterable[Resource]:
        processes = (r for r in Journal(self._layout.journal).resources() if r.kind is Kind.PROCESS)
        return {r.name: r for r in processes}.values()

    @property
    def name(self) -> str:
        """The bed's name."""
        return self._facts.name

    @property
    def profile(self) -> Profile:
        """What runs."""
        return self._facts.profile

    @property
    def recorded(self) -> bool:
        """Whether the audit log has bodies, and etcd's values are JSON."""
        return self._facts.recorded

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

    @property
    def mark(self) -> Mapping[str, str]:
        """What processes of a test's own carry in their environment to be gone with the bed, whatever happens."""
        return {MARKER: str(self._layout.root)}

    def issue(self, name: str) -> tuple[Path, Path]:
        """Make a certificate for a server on loopback that the bed's clients trust: its file, and its key's."""
        return Authority(self._layout.keys).issue(name, Identity(name, names=("127.0.0.1", "localhost")))

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> CompletedProcess[str]:
        """Run kubectl as the administrator."""
        return run_kubectl(self.environment, args, stdin, check=check, timeout=timeout)

    def gather(self, into: Path) -> None:
        """Write what may explain a failure below `into`."""
        evidence.gather_objects(self, into)
        evidence.gather_files(self._layout, into)

    # ---- images and nodes ----------------------------------------------------------------------------------

    def push_image(self, image: ImageRef) -> str:
        """Put a built image into the bed's registry; returns its name for a pod."""
        return self._get_services().push(image)

    def nodes(self) -> tuple[str, ...]:
        """Nodes that the API server knows."""
        names = self.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").stdout
        return tuple(sorted(names.split()))

    def add_node(self) -> str:
        """Start one more node."""
        return self._add_nodes(1)[0]

    def stop_node(self, node: str) -> None:
        """Stop a node in order."""
        self._get_node(node).stop()

    def start_node(self, node: str) -> None:
        """Start a stopped or killed node again."""
        begun = readiness.now()
        self._get_node(node).start()
        readiness.wait_ready(self, [node], reported_since=begun)

    def kill_node(self, node: str) -> None:
        """Kill all of a node at once."""
        self._get_node(node).kill()

    def cut_node(self, node: str) -> None:
        """Pull a node's cable."""
        self._get_node(node).cut()

    def heal_node(self, node: str) -> None:
        """Plug a node's cable in again."""
        begun = readiness.now()
        self._get_node(node).heal()
        readiness.wait_ready(self, [node], renewed_since=begun)

    def _get_node(self, name: str) -> Node:
        node = Node(self._layout, self._facts, index_of(name))
        if not node.exists:
            raise BedError(f"bed {self.name!r} has no node {name!r}; it has: {', '.join(self._made_nodes())}")
        return node

    def _get_services(self) -> PlatformServices:
        if self._services is None:
            raise UnsupportedError(f"bed {self.name!r} has no nodes: open it with profile {Profile.NODES}")
        return self._services

    # ---- the control plane ---------------------------------------------------------------------------------

    def stop(self, component: Component) -> None:
        """Stop a part of the control plane."""
        self.control_plane.stop(component)

    def start(self, component: Component) -> None:
        """Start a part of the control plane."""
        self.control_plane.start(component)

    def kill(self, component: Component) -> None:
        """Kill a part of the control plane."""
        self.control_plane.kill(component)

    def restart(self, component: Component) -> None:
        """Stop, then start."""
        self.stop(component)
        self.start(component)
