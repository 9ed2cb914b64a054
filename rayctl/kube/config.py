"""How to reach the API server and how to be let in, by the ``kubernetes`` package's own configuration.

The one module that knows ``kubernetes.aio``. From it come kubeconfigs with all their ways to log in, service
accounts and TLS; its REST layer, models and watch are not used (ADR 0002 in docs/adr).
What it does not do is done here: a tokenFile, an exec plugin's token, a rotated CA or client certificate are
read again.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config as loader
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from rayctl.api.moment import Seconds
from rayctl.clock import Clock
from rayctl.kube.errors import NoConfiguration

_RELOAD_AT_MOST_EVERY: Seconds = 10.0
_LOOK_AT_FILES_EVERY: Seconds = 60.0
_LOGIN_TIMEOUT: Seconds = 60.0
_UNUSABLE = (
    loader.ConfigException,
    yaml.YAMLError,
    # What the loader stumbles over in a file of another shape than it expects.
    AttributeError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
)
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration is to come from.

    Without ``kubeconfig``: the files that KUBECONFIG lists or ~/.kube/config, else the pod's own service
    account, in kubectl's order.
    """

    kubeconfig: str | None = None
    """Path, or several with the system's path separator between them."""
    context: str | None = None
    """A context of the kubeconfig other than its current one."""


class Connection:
    """An API server's address, TLS context and credentials, kept current. Made by :meth:`open`."""

    def __init__(self, source: Source, clock: Clock, configuration: Any, namespace: str) -> None:
        self.namespace = namespace
        """That of the kubeconfig's context, or of the pod whose service account is used."""
        self._source = source
        self._clock = clock
        self._lock = asyncio.Lock()
        self._files: dict[str, float] = {}
        self._use(configuration)
        self._loaded_at = self._looked_at = clock.monotonic()

    @classmethod
    async def open(cls, source: Source, clock: Clock) -> Connection:
        """Return a connection; nothing is sent yet, but a login plugin may run.

        Raises:
            NoConfiguration: with one line that says what is missing or wrong.
        """
        return cls(source, clock, *await _load(source))

    async def authorization(self) -> str | None:
        """Return the value of the Authorization header, or None where a client certificate does it.

        To be called before each request: what has changed in files is taken up here.
        """
        await self._take_up_changes()
        try:
            value: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        except (loader.ConfigException, OSError):
            # The token's file is being replaced: the last one is still good for a while.
            value = self._configuration.api_key.get("BearerToken")
        return value.strip() if value else None

    async def log_in_again(self) -> None:
        """Load everything anew, after the server did not take our credentials; at most every 10 s."""
        async with self._lock:
            now = self._clock.monotonic()
            if now - self._loaded_at < _RELOAD_AT_MOST_EVERY:
                return
            self._loaded_at = now
            configuration, _ = await _load(self._source)
            self._use(configuration)

    async def _take_up_changes(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at < _LOOK_AT_FILES_EVERY:
            return
        self._looked_at = now
        if self._file_times(self._configuration) == self._files:
            return
        with suppress(NoConfiguration):  # half written: its time differs still, and it is tried again
            configuration, _ = await _load(self._source)
            self._use(configuration)

    def _use(self, configuration: Any) -> None:
        # Go's client is not stricter than RFC 5280 asks by default either; the chain and name are checked.
        configuration.disable_strict_ssl_verification = True
        url: str = configuration.host.rstrip("/")
        files = self._file_times(configuration)  # before they are read: a change after that is seen next time
        try:
            # Another one each time: what an authority before this one has signed is not believed any more.
            context = RESTClientObject(configuration).ssl_context if url.startswith("https") else None
        except OSError as error:  # ssl.SSLError is one
            raise NoConfiguration(f"a certificate or key cannot be used: {_one_line(error)}") from error
        self._configuration = configuration
        self.url = url
        self.ssl: ssl.SSLContext | None = context
        """To be used for each new connection; None: the server speaks HTTP."""
        self.proxy: str | None = configuration.proxy
        self.server_name: str | None = configuration.tls_server_name
        self._files = files

    def _file_times(self, cfg: Any) -> dict[str, float]:
        named = [file for file in (cfg.ssl_ca_cert, cfg.cert_file, cfg.key_file) if file]
        paths = [Path(path).expanduser() for path in (*named, *_kubeconfigs(self._source))]
        return {str(path): path.stat().st_mtime for path in paths if path.exists()}


async def _load(source: Source) -> tuple[Any, str]:
    try:
        async with asyncio.timeout(_LOGIN_TIMEOUT):
            return await _load_any(source)
    except TimeoutError:
        raise NoConfiguration(f"the kubeconfig's login did not end within {_LOGIN_TIMEOUT:.0f} s") from None
    except _UNUSABLE as error:
        where = source.kubeconfig or loader.KUBE_CONFIG_DEFAULT_LOCATION
        raise NoConfiguration(f"the kubeconfig {where} cannot be used: {_one_line(error)}") from error


async def _load_any(source: Source) -> tuple[Any, str]:
    configuration = Configuration()
    where = source.kubeconfig or loader.KUBE_CONFIG_DEFAULT_LOCATION
    if _exists(source):
        loaded = await loader.load_kube_config(where, source.context, configuration, persist_config=False)
        return configuration, loaded.current_context["context"].get("namespace") or "default"
    if source.kubeconfig:
        raise NoConfiguration(f"there is no kubeconfig {where}; check the path")
    if source.context:
        raise NoConfiguration(f"there is no kubeconfig {where} to take context {source.context!r} from")
    try:
        loader.load_incluster_config(configuration)
    except loader.ConfigException as error:
        raise NoConfiguration(
            f"no kubeconfig at {where} and not in a cluster ({_one_line(error)});"
            " give --kubeconfig, set KUBECONFIG, or run in a pod with a service account"
        ) from None
    return configuration, _pods_namespace()


def _pods_namespace() -> str:
    return _OWN_NAMESPACE.read_text().strip() if _OWN_NAMESPACE.exists() else "default"


def _exists(source: Source) -> bool:
    return any(Path(path).expanduser().is_file() for path in _kubeconfigs(source))


def _kubeconfigs(source: Source) -> list[str]:
    where: str = source.kubeconfig or loader.KUBE_CONFIG_DEFAULT_LOCATION
    return [path for path in where.split(loader.kube_config.ENV_KUBECONFIG_PATH_SEPARATOR) if path]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
