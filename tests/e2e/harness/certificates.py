"""Certificates for tests: an authority of one's own, and what it signs, or does not."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class Issued:
    certificate: Path  # PEM, as is the key
    key: Path
    both: Path  # key and certificate in one file, as Kafka takes them
    serial: int
    expires: int  # seconds since the epoch


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """Its own certificate is the file `certificate`."""

    def __init__(self, directory, name="authority"):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        made = self._build(name, self._key, name, self._key, -1, 365).add_extension(x509.BasicConstraints(True, 0), True)
        self.certificate = self._write(f"{name}.pem", self._sign(made, self._key))

    def issue(self, name, *, purpose="server", names=("localhost", "127.0.0.1"), since=-1, days=30, alone=False, password=None):
        """A certificate from `since` days from now on for `days` days; `alone` is signed by itself, not by the authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = (name, key) if alone else (self.name, self._key)
        builder = self._build(name, key, issuer, signer, since, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), False)
        made = self._sign(builder.add_extension(x509.ExtendedKeyUsage([PURPOSES[purpose]]), False), signer)
        certificate = self._write(f"{name}.pem", made)
        lock = serialization.NoEncryption()
        if password:
            lock = serialization.BestAvailableEncryption(password.encode())
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        (self.directory / f"{name}.key").write_bytes(text)
        (self.directory / f"{name}.both").write_bytes(text + certificate.read_bytes())
        return Issued(
            certificate,
            self.directory / f"{name}.key",
            self.directory / f"{name}.both",
            made.serial_number,
            int(made.not_valid_after_utc.timestamp()),
        )

    @staticmethod
    def _build(name, key, issuer, signer, since, days):
        begins = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=since)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + datetime.timedelta(days=days))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )

    @staticmethod
    def _sign(builder, signer):
        return builder.sign(signer, hashes.SHA256())

    def _write(self, name, certificate):
        path = self.directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


def bad_servers(authority, stranger):
    """Certificates that a client which looks must refuse, by what is wrong with them."""
    return {
        "expired": authority.issue("expired", since=-30, days=20),
        "not-yet": authority.issue("not-yet", since=5),
        "itself": authority.issue("itself", alone=True),
        "another-name": authority.issue("another-name", names=("elsewhere.test", "127.0.0.2")),
        "stranger": stranger.issue("stranger"),
    }
