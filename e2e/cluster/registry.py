"""The bed's image registry: Debian's docker-registry, a plain process, as mirror of the names that pods use.

containerd is told by `certs.d/<host>/hosts.toml` to ask it for docker.io's and localhost's images, so
files with `image: rayproject/ray:…` and `imagePullPolicy: Always` run unchanged. One push serves all nodes.
Protocol: OCI Distribution Specification 1.1, the few calls used here.
"""

import http.client
import json
from pathlib import Path

from e2e.cluster.interface import BedError

MIRRORED = ("docker.io", "localhost")
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DEADLINE = 10.0  # seconds for one small request on this machine


def registry_command(config: Path) -> tuple[str, ...]:
    """Return how to start the registry whose configuration is `config`."""
    return ("docker-registry", "serve", str(config))


def registry_config(address: str, storage: Path) -> str:
    """Return the configuration (YAML) of a registry on `address` (`host:port`) with its images in `storage`.

    Two registries may share a storage: what one was given, the other has. Deleting is off, so nothing that a
    node may be pulling goes away.
    """
    return json.dumps(  # JSON is YAML, and quotes what needs quoting
        {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(storage)}},
            "http": {"addr": address, "secret": "of no use to others: only interrupted uploads are signed"},
        },
        indent=2,
    )


def write_mirrors(folder: Path, registry: str) -> None:
    """Write containerd's `config_path` folder: `registry` (`host:port`) serves all of MIRRORED."""
    for host in MIRRORED:
        hosts = folder / host / "hosts.toml"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(hosts_toml(host, registry))


def hosts_toml(host: str, registry: str) -> str:
    """Return containerd's hosts.toml that makes `registry` answer for `host`, without TLS.

    The registry is the `server` too: without network a fall-back to the real host would turn "no such image"
    into a long wait and a misleading error.
    """
    return (
        f"# Images of {host} come from the test bed's registry.\n"
        f'server = "http://{registry}"\n\n'
        f'[host."http://{registry}"]\n'
        '  capabilities = ["pull", "resolve"]\n'
    )


def path_of(name: str) -> str:
    """Return a qualified name without its registry: `docker.io/rayproject/ray:1` → `rayproject/ray:1`."""
    return name.partition("/")[2]


def answers(registry: str) -> bool:
    """Tell whether a registry serves at `registry` (`host:port`)."""
    try:
        status, _ = _call(registry, "GET", "/v2/")
    except BedError:
        return False
    return status == http.client.OK


def has_image(registry: str, path: str, image_id: str) -> bool:
    """Tell whether `path` (`name:tag`) is the image whose configuration has the digest `image_id`."""
    manifest = _manifest(registry, path)
    return manifest is not None and json.loads(manifest)["config"]["digest"] == f"sha256:{image_id}"


def copy_tag(registry: str, path: str, other: str) -> None:
    """Give the image at `path` (`name:tag`) the name `other`, which differs in its tag only.

    Raises:
        BedError: there is no such image, or the registry refuses.
    """
    manifest = _manifest(registry, path)
    if manifest is None:
        raise BedError(
            f"the registry {registry} has no {path}, so it cannot be called {other}; push it first"
        )
    kind = json.loads(manifest)["mediaType"]
    status, answer = _call(registry, "PUT", _manifest_path(other), manifest, {"Content-Type": kind})
    if status != http.client.CREATED:
        raise BedError(f"the registry {registry} refused {other}: {status} {answer[:200]!r}")


def _manifest(registry: str, path: str) -> bytes | None:
    """Return the manifest at `path`, None when the registry has none."""
    status, answer = _call(registry, "GET", _manifest_path(path), headers={"Accept": ", ".join(_MANIFESTS)})
    if status == http.client.NOT_FOUND:
        return None
    if status != http.client.OK:
        raise BedError(f"the registry {registry} did not give {path}: {status} {answer[:200]!r}")
    return answer


def _manifest_path(path: str) -> str:
    name, _, tag = path.rpartition(":")
    return f"/v2/{name}/manifests/{tag}"


def _call(
    registry: str, verb: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(registry, timeout=_DEADLINE)
    try:
        connection.request(verb, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    except OSError as error:
        raise BedError(f"the registry {registry} does not answer: {error}") from error
    finally:
        connection.close()
