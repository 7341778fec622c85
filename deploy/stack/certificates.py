"""A certificate authority of one's own, and what it signs: for the local stack and for tests."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.stack import files

VALID = datetime.timedelta(days=825)
HERE = ("127.0.0.1", "localhost")


class Authority:
    """Signs certificates; keeps its own in `ca.pem` and its key in `ca.key` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self._folder = folder
        self._key = folder / "ca.key"
        if not self.certificate.exists():
            self._make()

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named("Mortarboard development CA")
        builder = _begun(name, name, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        signs = x509.KeyUsage(
            key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        whole = builder.add_extension(signs, critical=True).sign(key, hashes.SHA256())
        files.write_whole(self._key, _pem(key))
        files.write_whole(self.certificate, _text(whole), 0o644)

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Make `NAME.crt` and `NAME.key` for a server at these hosts, or for a client; return both paths."""
        mine = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signing = serialization.load_pem_private_key(self._key.read_bytes(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = _begun(_named(name), mine.subject, key).add_extension(uses, critical=False)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False
            )
        signed = builder.sign(signing, hashes.SHA256())  # type: ignore[arg-type]
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        files.write_whole(private, _pem(key))
        files.write_whole(certificate, _text(signed), 0o644)
        return certificate, private


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
