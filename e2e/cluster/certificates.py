"""The bed's certificate authority, its components' certificates and their kubeconfigs.

Elliptic keys, because they are made in a millisecond. Good for ten days: a bed is not for longer.
"""

import base64
import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=10)
BACKDATED = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate is for, in Kubernetes' reading: common name = user, organization = group."""

    user: str
    group: str | None = None
    names: tuple[str, ...] = ()  # host names and IP addresses that it may serve under


class Authority:
    """A certificate authority whose key lies in a directory of the bed."""

    def __init__(self, directory: Path) -> None:
        """Read the authority in `directory`, or make one there."""
        self._directory = directory
        self.certificate_file = directory / "ca.crt"
        key_file = directory / "ca.key"
        if key_file.exists():
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{key_file} does not hold an elliptic key")
            self._key = key
            self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rayctl-bed")])
        self._certificate = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write_certificate(self.certificate_file, self._certificate)
        write_key(key_file, self._key)

    def issue(self, file_name: str, identity: Identity) -> tuple[Path, Path]:
        """Make a certificate for servers and clients; returns the files of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, identity.user)]
        if identity.group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.group))
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(x509.Name(attributes), self._certificate.subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage(usage), critical=False
        )
        if identity.names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(_alternative_names(identity.names)), critical=False
            )
        certificate_file = self._directory / f"{file_name}.crt"
        key_file = self._directory / f"{file_name}.key"
        _write_certificate(certificate_file, builder.sign(self._key, hashes.SHA256()))
        write_key(key_file, key)
        return certificate_file, key_file

    def write_kubeconfig(self, path: Path, server: str, context: str, identity: Identity) -> None:
        """Write a kubeconfig that holds everything: no other file is needed to use it."""
        certificate, key = self.issue(path.name, identity)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": context,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _encoded(self.certificate_file),
                    },
                }
            ],
            "users": [
                {
                    "name": context,
                    "user": {
                        "client-certificate-data": _encoded(certificate),
                        "client-key-data": _encoded(key),
                    },
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    alternatives: list[x509.GeneralName] = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    return alternatives


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
