"""``spec.auth``: whether Ray's processes and clients have to know a token, and which Secret holds it.

The Secret is the user's: an operator that made or listed Secrets would need rights with which it could become
any service account of the namespace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from rayctl.api.document import Reader, shown

TOKEN_KEY = "auth_token"  # noqa: S105
"""Of the Secret, as KubeRay has it."""

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)


class AuthMode(StrEnum):
    """What a caller has to know."""

    DISABLED = "disabled"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Auth:
    """How Ray is guarded."""

    mode: AuthMode = AuthMode.DISABLED
    secret: str = ""
    """``secretName``: the Secret with the token, of the cluster's namespace."""

    @property
    def token_secret(self) -> str:
        """The Secret that is needed, or ''."""
        return self.secret if self.mode is AuthMode.TOKEN else ""


NO_AUTH = Auth()


def parse_auth(reader: Reader) -> Auth:
    """Return what ``spec.auth`` says; what is wrong with it is noted."""
    mode = reader.choice("mode", AuthMode.DISABLED, "mode")
    secret = reader.text("secretName")
    if mode is AuthMode.TOKEN and not _NAME.fullmatch(secret):
        reader.wrong(
            "secretName", f"{shown(secret)} is no name of a Secret", f"name one that has {TOKEN_KEY}"
        )
    return Auth(mode, secret)
