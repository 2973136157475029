"""The lab's own certificate authority, a certificate for each host and one for the administrator's client log-on."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = timedelta(days=3650)
_NTUPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


class Authority:
    """Makes certificates below ``folder``; what is there already is used again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        key_file = folder / "ca.key"
        if not self.ca.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("Lab root")
            builder = _builder(name, name, key).add_extension(
                x509.BasicConstraints(ca=True, path_length=0), critical=True
            )
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
            identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
            certificate = builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())
            _write_key(key_file, key)
            self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._certificate = x509.load_pem_x509_certificate(self.ca.read_bytes())
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_file} holds no key of the lab's kind")
        self._key = loaded

    def server(self, name: str, dns: str, address: str) -> tuple[Path, Path]:
        """(certificate, key) of a host, for its name, its full name and its address."""
        names = [
            x509.DNSName(name.lower()),
            x509.DNSName(f"{name}.{dns}".lower()),
            x509.DNSName("localhost"),
            x509.DNSName(address),  # Microsoft's ODBC driver looks for an address only here
            x509.IPAddress(ipaddress.ip_address(address)),
        ]
        return self._issue(name, x509.SubjectAlternativeName(names), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, user: str, domain: str) -> tuple[Path, Path]:
        """(certificate, key) with which a user logs on; the UPN is in the alternative name, as Windows wants it."""
        upn = f"{user}@{domain}".encode()
        other = x509.OtherName(_NTUPN, bytes([0x0C, len(upn)]) + upn)
        return self._issue(user, x509.SubjectAlternativeName([other]), ExtendedKeyUsageOID.CLIENT_AUTH)

    @staticmethod
    def thumbprint(certificate: Path) -> str:
        """SHA-256 of a certificate in DER, hex."""
        return x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()

    def _issue(self, name: str, names: x509.SubjectAlternativeName, usage: x509.ObjectIdentifier) -> tuple[Path, Path]:
        certificate_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not certificate_file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            issuer = self._certificate
            authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            certificate = (
                _builder(_name(name), issuer.subject, key)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(names, critical=False)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .add_extension(authority, critical=False)
                .sign(self._key, hashes.SHA256())
            )
            _write_key(key_file, key)
            certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_file, key_file


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _YEARS)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
