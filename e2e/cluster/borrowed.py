"""Providers `existing` and `k3s`: clusters whose machinery is not ours, so that only kubectl reaches them."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Never

from e2e.cluster import evidence
from e2e.cluster.images import ImageRef
from e2e.cluster.interface import BedError, Component, UnsupportedError
from e2e.cluster.kubectl import environment_for, run_kubectl


class BorrowedCluster:
    """A cluster known by its kubeconfig, whose nodes and control plane must be left alone."""

    def __init__(self, name: str, kubeconfig: Path, namespace: str) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    @property
    def environment(self) -> Mapping[str, str]:
        """KUBECONFIG; kubectl is the caller's."""
        return environment_for(self.kubeconfig)

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> CompletedProcess[str]:
        """Run kubectl as the kubeconfig's user."""
        return run_kubectl(self.environment, args, stdin, check=check, timeout=timeout)

    def push_image(self, image: ImageRef) -> str:
        """Not possible in general: where the cluster pulls from is not known."""
        return self._refuse(f"take the image {image.names[0]}; push it to where the cluster pulls from")

    def nodes(self) -> tuple[str, ...]:
        """Nodes that the API server knows."""
        names = self.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").stdout
        return tuple(sorted(names.split()))

    def gather(self, into: Path) -> None:
        """Write what the API server can tell about a failure."""
        evidence.gather_objects(self, into)

    def add_node(self) -> str:
        """Not ours to do."""
        return self._refuse("add a node")

    def stop_node(self, node: str) -> None:
        """Not ours to do."""
        self._refuse(f"stop node {node}")

    def start_node(self, node: str) -> None:
        """Not ours to do."""
        self._refuse(f"start node {node}")

    def kill_node(self, node: str) -> None:
        """Not ours to do."""
        self._refuse(f"kill node {node}")

    def cut_node(self, node: str) -> None:
        """Not ours to do."""
        self._refuse(f"cut off node {node}")

    def heal_node(self, node: str) -> None:
        """Not ours to do."""
        self._refuse(f"heal node {node}")

    def stop(self, component: Component) -> None:
        """Not ours to do."""
        self._refuse(f"stop {component}")

    def start(self, component: Component) -> None:
        """Not ours to do."""
        self._refuse(f"start {component}")

    def restart(self, component: Component) -> None:
        """Not ours to do."""
        self._refuse(f"restart {component}")

    def _refuse(self, what: str) -> Never:
        raise UnsupportedError(f"cluster {self.name!r} is not the bed's own: it cannot {what}")


@contextmanager
def open_existing() -> Iterator[BorrowedCluster]:
    """Use the caller's current context, in a namespace of our own that is deleted afterwards."""
    source = {**os.environ}
    namespace = f"rayctl-test-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory() as directory:
        kubeconfig = Path(directory) / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        config = ("config", "view", "--raw", "--minify", "--flatten")
        kubeconfig.write_text(run_kubectl(source, config, None, check=True, timeout=20).stdout)
        cluster = BorrowedCluster("existing", kubeconfig, namespace)
        try:
            cluster.kubectl("create", "namespace", namespace, timeout=20)
        except BedError as error:
            raise BedError(f"CLUSTER=existing, but the current context is of no use: {error}") from error
        try:
            cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}")
            yield cluster
        finally:
            cluster.kubectl("delete", "namespace", namespace, "--timeout=120s", timeout=130)
