"""Certificates and kubeconfigs of a bed, checked by the library that will read them."""

import base64
import ipaddress
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from e2e.cluster.certificates import Authority, Identity


def test_a_certificate_says_who_it_is_and_where_it_serves(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    file, _ = authority.issue("node1", Identity("system:node:node1", "system:nodes", ("10.1.0.11", "node1")))

    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.certificate_file.read_bytes())
    )
    subject = certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:node1"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.1.0.11")]
    assert names.get_values_for_type(x509.DNSName) == ["node1"]


def test_an_authority_read_again_issues_under_the_same_root(tmp_path: Path) -> None:
    root = Authority(tmp_path).certificate_file.read_bytes()

    file, _ = Authority(tmp_path).issue("later", Identity("later"))

    x509.load_pem_x509_certificate(file.read_bytes()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(root)
    )


def test_a_kubeconfig_needs_no_other_file_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "out" / "kubeconfig"

    Authority(tmp_path / "pki").write_kubeconfig(
        path, "https://10.1.0.1:20000", "rayctl-b", Identity("admin")
    )

    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "rayctl-b"
    assert config["clusters"][0]["cluster"]["server"] == "https://10.1.0.1:20000"
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]).startswith(b"-----BEGIN EC PRIVATE KEY")
    assert path.stat().st_mode & 0o077 == 0
    assert all(key.stat().st_mode & 0o077 == 0 for key in (tmp_path / "pki").glob("*.key"))
