"""A certificate authority of the test's own, and services that speak TLS with what it signs."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.origin import Origin
from tests.support.wire import Wire

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates; all files lie in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key, 1).add_extension(x509.BasicConstraints(True, None), True)
        self._certificate = made.sign(self._key, hashes.SHA256())
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - 3 * DAY).not_valid_after(now + days * DAY)

    def sign(self, name: str, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key files for a DNS name or an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name)]), False)
        cert = self.folder / f"{name}.crt"
        cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        key_file = self.folder / f"{name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert, key_file

    def server_context(self, name: str, days: int = 1, clients: bool = False) -> ssl.SSLContext:
        """What a service named so needs; `clients`: it asks for a certificate of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.sign(name, days))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Elsewhere(Origin):
    """A recording service that listens elsewhere than Origin: with TLS, on another address, on a unix socket."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, unix: str = "") -> None:
        super().__init__()
        self._host = host
        self._tls = tls
        self._unix = unix
        self.asked_for: list[str | None] = []
        if tls is not None:
            tls.sni_callback = lambda sock, name, context: self.asked_for.append(name)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._unix:
            made = loop.create_unix_server(lambda: Wire(self._accept), self._unix)
        else:
            made = loop.create_server(lambda: Wire(self._accept), self._host, 0, ssl=self._tls)
        self._server = await made

    @property
    def url(self) -> str:
        if self._unix:
            return f"http+unix://{self._unix}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"
