"""What nodes need beside the control plane: the bridge, the registry with images in it, the cluster's DNS."""

from pathlib import Path
from string import Template

from e2e.cluster import images, network_setup, process, registry
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ImageRef
from e2e.cluster.layout import Layout, cache_directory
from e2e.cluster.network import Subnet
from e2e.cluster.progress import Progress
from e2e.cluster.state import Facts

REGISTRY = "registry"  # its name among the bed's ports and processes
REGISTRY_SECONDS = 15
DNS_MANIFEST = Path(__file__).parent / "coredns.yaml"


class PlatformServices:
    """Starts and fills the services of one bed."""

    def __init__(self, layout: Layout, facts: Facts) -> None:
        self._layout = layout
        self._facts = facts
        self._subnet = Subnet(facts.subnet)
        self._registry = f"{self._subnet.gateway}:{facts.ports[REGISTRY]}"

    @property
    def mirrors(self) -> Path:
        """Containerd's folder that says which registry stands for which name."""
        return self._layout.root / "mirrors"

    def make_network(self) -> None:
        """Make the bridge that all else listens on."""
        network_setup.make_bridge(self._layout, self._subnet)

    def start_registry(self) -> None:
        """Start the registry; its images are in the cache, so that a new bed has them at once."""
        config = self._layout.root / "registry.yaml"
        config.write_text(registry.registry_config(self._registry, cache_directory() / "registry"))
        running = process.start(self._layout, REGISTRY, registry.registry_command(config))
        log = self._layout.logs / f"{REGISTRY}.log"
        process.wait_until(
            lambda: registry.answers(self._registry), "the registry answers", REGISTRY_SECONDS, running, log
        )
        registry.write_mirrors(self.mirrors, self._registry)

    def push(self, image: ImageRef) -> str:
        """Put an image into the registry; returns its main name."""
        images.push(image, self._registry)
        return image.names[0]

    def push_own_images(self, progress: Progress) -> str:
        """Build, if need be, and push what every node needs; returns the name of the DNS' image."""
        self.push(images.ensure(Kind.PAUSE, progress=progress))
        coredns = Path(self._facts.binaries) / "coredns"
        return self.push(images.ensure(Kind.COREDNS, coredns, progress))

    def dns_manifest(self, image: str) -> str:
        """The manifests of the cluster's DNS, as YAML."""
        return Template(DNS_MANIFEST.read_text()).substitute(IMAGE=image, DNS=self._subnet.dns)
