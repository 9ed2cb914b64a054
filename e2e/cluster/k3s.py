"""Provider `k3s`: a container of a Docker engine, by testcontainers, where there is one."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.cluster import images
from e2e.cluster.binaries import MODULE, kubernetes_version
from e2e.cluster.borrowed import BorrowedCluster
from e2e.cluster.images import ImageRef
from e2e.cluster.interface import BedError

if TYPE_CHECKING:  # loading it costs 0.1 s, and most machines have no use for it
    from testcontainers.community.k3s import K3SContainer


def k3s_image() -> str:
    """The K3s of the Kubernetes that the other provider builds."""
    return f"rancher/k3s:{kubernetes_version((MODULE / 'go.mod').read_text())}-k3s1"


def why_unavailable() -> str | None:
    """None where a Docker engine answers and has or gets the image; else the reason, for people."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    # Asked first, because docker's client leaks its socket where there is nothing to connect to.
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).is_socket():
        return f"no Docker engine answers: {host} is not there"
    import docker
    from docker.errors import DockerException

    try:
        engine = docker.from_env(timeout=5)
        engine.ping()
    except DockerException as error:
        return f"no Docker engine answers: {error}"
    try:
        if not engine.images.list(k3s_image()):
            engine.images.pull(k3s_image())
    except DockerException as error:
        return f"{k3s_image()} is not there and cannot be pulled: {error}"
    finally:
        engine.close()
    return None


class K3sCluster(BorrowedCluster):
    """One container that is a whole cluster of one node."""

    def __init__(self, container: "K3SContainer", kubeconfig: Path) -> None:
        super().__init__("k3s", kubeconfig, "default")
        self._container = container

    def push_image(self, image: ImageRef) -> str:
        """Import the image into the node's containerd."""
        with tempfile.TemporaryDirectory() as directory:
            archive = Path(directory) / "image.tar"
            images.save(image, archive)
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as tar:
                tar.add(archive, "image.tar")
        inner = self._container.get_wrapped_container()
        inner.put_archive("/tmp", packed.getvalue())
        code, output = inner.exec_run(["ctr", "-n", "k8s.io", "images", "import", "/tmp/image.tar"])
        if code != 0:
            raise BedError(f"k3s did not take {image.names[0]}: {output.decode(errors='replace')[-500:]}")
        return image.names[0]

    def gather(self, into: Path) -> None:
        """What the API server can tell, and the container's log."""
        super().gather(into)
        (into / "k3s.log").write_bytes(self._container.get_wrapped_container().logs())


@contextmanager
def open_k3s() -> Iterator[K3sCluster]:
    """Start a K3s container; testcontainers removes it, also when this process is killed."""
    if reason := why_unavailable():
        raise BedError(f"CLUSTER=k3s cannot be: {reason}")
    from testcontainers.community.k3s import K3SContainer

    with K3SContainer(k3s_image()) as container, tempfile.TemporaryDirectory() as directory:
        kubeconfig = Path(directory) / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(container.config_yaml())
        yield K3sCluster(container, kubeconfig)
