"""Connections to heads, with the cluster's token where it has one.

It is read from its Secret when it is needed first, and again after a head did not take it.
"""

from __future__ import annotations

from rayctl.api.auth import TOKEN_KEY
from rayctl.clock import Clock
from rayctl.gcs.client import GcsClient
from rayctl.gcs.errors import Unauthenticated
from rayctl.kube.errors import KubeError
from rayctl.kube.secrets import Secrets


class SecretToken:
    """The token of one cluster."""

    def __init__(self, secrets: Secrets, namespace: str, name: str) -> None:
        self._secrets = secrets
        self._namespace = namespace
        self._name = name
        self._known = ""

    async def read(self) -> str:
        """Return the token.

        Raises:
            Unauthenticated: it cannot be had.
        """
        if not self._known:
            try:
                value = await self._secrets.read(self._namespace, self._name, TOKEN_KEY)
            except KubeError as error:
                raise Unauthenticated(f"the token cannot be read: {error}") from error
            if not value or not value.strip():
                raise Unauthenticated(f"the Secret {self._name} has no {TOKEN_KEY}")
            self._known = value.strip()
        return self._known

    def refused(self) -> None:
        """Read it anew before the next call."""
        self._known = ""


class Connector:
    """Makes connections; no network before their first call."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    def __call__(self, address: str, namespace: str, secret: str) -> GcsClient:
        """Return a connection to ``host:port``; ``secret`` holds the token, '' where there is none."""
        token = SecretToken(self._secrets, namespace, secret) if secret else ""
        return GcsClient(address, self._clock, token)
