"""What a Kafka that trusts nobody needs: TLS with a certificate of its own, passwords, and rights."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

MECHANISM = "SCRAM-SHA-512"
HOST = "127.0.0.1"
VALID_FOR = timedelta(days=1)
# The plain listener stays, for the start and for tests that play the administrator: whoever comes there is ANONYMOUS.
PROPERTIES = """\
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port},SECURE://{host}:{secure_port}
advertised.listeners=PLAINTEXT://{host}:{port},SECURE://{host}:{secure_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms={mechanism}
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, kw_only=True)
class Security:
    """A second listener, SASL_SSL with SCRAM-SHA-512, for these users (name to password), who may do nothing yet.

    `folder` gets the certificates: `authority`, which clients are to trust, and the broker's own, with its key.
    """

    folder: Path
    users: Mapping[str, str]

    @property
    def authority(self) -> Path:
        """The certificate that clients are to trust, in PEM."""
        return self.folder / "authority.pem"

    def make_certificates(self) -> None:
        """Once; those that are there are kept."""
        if self._keystore.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        authority, authority_key = make_authority()
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        certificate = _builder(subject=HOST, issuer=authority.subject, key=key).add_extension(address, critical=False)
        signed = certificate.sign(authority_key, hashes.SHA256())
        # The one format of a key that Kafka reads from PEM.
        key_text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.authority.write_bytes(authority.public_bytes(Encoding.PEM))
        self._keystore.write_bytes(key_text + signed.public_bytes(Encoding.PEM))

    def format_arguments(self) -> list[str]:
        """For Kafka's storage tool: the first passwords are written into the metadata."""
        return [
            argument
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]

    def properties(self, *, port: int, controller_port: int, secure_port: int) -> str:
        """The broker's, to stand after those that every broker of ours has: the last one counts."""
        return PROPERTIES.format(
            host=HOST, port=port, controller_port=controller_port, secure_port=secure_port, mechanism=MECHANISM,
            keystore=self._keystore,
        )  # fmt: skip

    @property
    def _keystore(self) -> Path:
        return self.folder / "broker.pem"


def make_authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that may sign others, and its key; no two are the same."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = _builder(subject="authority", issuer=name, key=key)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return certificate.sign(key, hashes.SHA256()), key


def _builder(*, subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    # A clock that runs a little behind is no reason to refuse it.
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
    )
