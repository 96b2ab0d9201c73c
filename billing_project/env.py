"""Everything that is configured from outside, typed and checked before anything starts.

A wrong or missing setting must never surface as a traceback at night: `load` raises `EnvInvalid` with one
line per setting that names it and says how to fix it; the settings module prints them and exits with 1.
Sources, strongest first: `NAME_FILE` (a file that holds the value, for secrets), the environment, `.env`.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# librdkafka properties that an operator may set as KAFKA_<NAME>. A list and not a pattern, because Kubernetes
# injects KAFKA_PORT, KAFKA_SERVICE_HOST and the like into every pod beside a service called "kafka".
KAFKA_PASSED_THROUGH = frozenset({
    "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
    "sasl.oauthbearer.config", "sasl.kerberos.service.name", "sasl.kerberos.principal", "sasl.kerberos.keytab",
    "ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.certificate.pem", "ssl.key.location",
    "ssl.key.pem", "ssl.key.password", "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
    "client.id", "client.rack", "client.dns.lookup", "broker.address.family", "socket.timeout.ms",
    "socket.keepalive.enable", "socket.connection.setup.timeout.ms", "connections.max.idle.ms",
    "reconnect.backoff.ms", "reconnect.backoff.max.ms", "metadata.max.age.ms", "message.max.bytes", "debug",
    "session.timeout.ms",
})  # fmt: skip
# Properties that hold a promise; the reason is what the operator reads.
KAFKA_OWNED = {
    "enable.auto.commit": "offsets are committed only after the rows",
    "enable.auto.offset.store": "offsets are committed only after the rows",
    "auto.offset.reset": "a new group is told where to start with: manage.py bridge --from",
    "enable.idempotence": "a notification must not be reordered or doubled by a retry",
    "acks": "a notification counts as sent only when every in-sync replica has it",
    "transactional.id": "it fences a relay that has lost its lock",
    "compression.type": "NestJS consumers stop for good at snappy, lz4 and zstd",
    "partitioner": "notifications go where a NestJS producer would put them",
    "bootstrap.servers": "the brokers are those of KAFKA_BROKER",
}


class EnvInvalid(Exception):
    """One line per setting that is missing or wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _strip(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _comma_list(value: object) -> object:
    return _split(value) if isinstance(value, str) else value


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


Stripped = Annotated[str, BeforeValidator(_strip)]


def _durations(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = [_read_duration(part) for part in value.split(",")]
    if None in found:
        raise ValueError("is not a list of pauses")
    return found


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _read_duration(value)
    if not found:
        raise ValueError("is not a span of time")
    return found


def _read_duration(text: str) -> timedelta | None:
    match = re.fullmatch(r"([0-9]{1,4})([mhd])", text.strip())
    units = {"m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{units[match[2]]: int(match[1])}) if match else None


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Kept = Annotated[timedelta | None, BeforeValidator(_duration)]
Durations = Annotated[list[timedelta], NoDecode, BeforeValidator(_durations)]
CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]


def _sums(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = [re.fullmatch(r"\s*([A-Za-z]{3}):([0-9]{1,12})\s*", part) for part in value.split(",")]
    if not all(found):
        raise ValueError("is not a list of sums")
    return {match[1].upper(): int(match[2]) for match in found if match}


Sums = Annotated[dict[str, int], NoDecode, BeforeValidator(_sums)]

KEPT = "set it to a span of a day or more, e.g. 180d, or unset it to keep them for ever"
A_TOPIC = "set it to letters, digits, dots, dashes and underscores"


class Env(BaseSettings):
    """The settings. A field's name in upper case is the variable's name; its description is the fix."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", case_sensitive=False, env_ignore_empty=True)

    stripe_secret_key: SecretStr = Field(description="set it to your Stripe secret key (sk_test_… or sk_live_…)")
    kafka_broker: Stripped = Field(description="set it to host:port of a Kafka broker, several with commas")
    database_url: Stripped = Field(repr=False, description="set it to postgresql://user:password@host:5432/database")
    redis_url: Stripped = Field(repr=False, description="set it to redis://host:6379/0")
    secret_key: SecretStr = Field(description="set it to 50 or more random characters; sessions are signed with it")

    allowed_hosts: CommaList = Field(default=["localhost", "127.0.0.1"], description="set it to names, with commas")
    https_only: bool = Field(
        default=True, description="set it to true, or to false where nobody ends TLS in front of the web process"
    )
    hsts_for: Duration = Field(default="30d", validate_default=True, description="set it to a span, e.g. 1h or 365d")
    trusted_proxies: int = Field(
        default=0, ge=0, le=10, description="set it to how many proxies stand in front of the web process, e.g. 1"
    )
    require_two_factor: bool = Field(default=False, description="set it to true or false")
    login_failures: int = Field(default=5, ge=1, le=100, description="set it to a number, e.g. 5")
    login_locked_for: Duration = Field(
        default="15m", validate_default=True, description="set it to a span of time, e.g. 15m or 1h"
    )
    stripe_api_base: Stripped | None = Field(
        default=None, repr=False, description="unset it, or set it to an http:// URL"
    )
    stripe_webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="unset it, or set it to whsec_…, or to two of them with a comma"
    )
    stripe_rate_limit: int = Field(default=20, ge=1, le=10_000, description="set it to requests per second, e.g. 20")
    retry_soft_after: Durations = Field(default=[], description="set it to pauses, e.g. 1h,24h, or unset it")
    price_unit: Literal["major", "minor"] = Field(default="major", description="set it to major or minor")
    kafka_group_id: Stripped = Field(default="billing-payments", min_length=1, description="set it to a group's name")
    kafka_group_protocol: Literal["classic", "consumer"] = Field(
        default="classic", description="set it to classic, or to consumer (KIP-848, needs Kafka 4.0)"
    )
    kafka_group_instance_id: Stripped | None = Field(
        default=None,
        description="set it to another name for each bridge, of letters, digits, dots, dashes, or unset it",
    )
    kafka_topic_payments: Stripped = Field(default="payment.createInitial", description=A_TOPIC)
    kafka_topic_notifications: Stripped = Field(default="notification.paying", description=A_TOPIC)
    kafka_topic_dead_letters: Stripped = Field(default="payment.createInitial.dlt", description=A_TOPIC)
    kafka_topic_refunds: Stripped | None = Field(default=None, description=A_TOPIC + ", or unset it")
    bridge_batch_bytes: int = Field(
        default=4 * 1024 * 1024, ge=64 * 1024, le=256 * 1024 * 1024, description="set it to bytes, e.g. 4194304"
    )
    stop_within: int = Field(default=25, ge=1, le=600, description="set it to seconds, e.g. 25")
    outage_budget: Duration = Field(
        default="3d", validate_default=True, description="set it to how long an outage may last, e.g. 12h or 3d"
    )
    bridge_stalled_after: int = Field(default=60, ge=10, le=3600, description="set it to seconds, e.g. 60")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="set it to a port, e.g. 9100, or unset it"
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="set it to 16 or more random letters and digits, or unset it"
    )
    health_file: Stripped | None = Field(default=None, description="set it to a file's path, or unset it")
    notify_pending: bool = Field(default=False, description="set it to true or false")
    approval_above_count: int = Field(default=20, ge=1, le=1_000_000, description="set it to a number, e.g. 20")
    approval_above_sum: Sums = Field(default={}, description="set it to sums, e.g. KZT:500000,USD:1000, or unset it")
    keep_inbox: Kept = Field(default=None, description=KEPT)
    keep_outbox: Kept = Field(default=None, description=KEPT)
    keep_webhooks: Kept = Field(default=None, description=KEPT)
    keep_jobs: Kept = Field(default=None, description=KEPT)
    keep_personal: Kept = Field(
        default=None, description="set it to a span of 30 days or more, e.g. 365d, or unset it to keep them for ever"
    )
    otel_exporter_otlp_endpoint: Stripped | None = Field(
        default=None, description="set it to the collector's address, e.g. http://collector:4318"
    )
    sentry_dsn: SecretStr = Field(
        default=SecretStr(""), description="set it to the DSN of your project at Sentry (https://…@…/…), or unset it"
    )
    log_format: Literal["auto", "json", "pretty"] = Field(default="auto", description="set it to json or pretty")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="set it to INFO or WARNING"
    )
    debug: bool = Field(default=False, description="set it to true on a developer's machine only")

    @field_validator("stripe_secret_key")
    @classmethod
    def _secret_key_of_stripe(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"(sk|rk)_(test|live)_\w+", value.get_secret_value()):
            raise ValueError("is not a secret key of Stripe")
        return value

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _secrets_of_webhooks(cls, value: SecretStr) -> SecretStr:
        secrets = _split(value.get_secret_value())
        if value.get_secret_value().strip() and not secrets:
            raise ValueError("holds no secret")
        if len(secrets) > 2:
            raise ValueError("holds more than two secrets")
        if not all(re.fullmatch(r"whsec_\S+", secret) for secret in secrets):
            raise ValueError("is not a signing secret of Stripe's webhooks")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if text and not re.fullmatch(r"https?://\w+(:\w+)?@[\w.-]+(:[0-9]+)?(/[\w.-]+)*/[0-9]+", text):
            raise ValueError("is not a DSN of Sentry's")
        return SecretStr(text)

    @field_validator("metrics_token")
    @classmethod
    def _token(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not re.fullmatch(r"[\x21-\x7e]{16,}", value.get_secret_value().strip()):
            raise ValueError("is not a token")
        return SecretStr(value.get_secret_value().strip())

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("is shorter than 32 characters")
        return value

    @field_validator("kafka_broker")
    @classmethod
    def _brokers(cls, value: str) -> str:
        for broker in value.split(","):
            matched = re.fullmatch(r"\s*(\[[0-9a-fA-F:]+\]|[\w.-]+):([0-9]{1,5})\s*", broker)
            if not matched or not 0 < int(matched[2]) < 65_536:
                raise ValueError("is not host:port")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        return _check_url(value, schemes=("postgresql", "postgres"), needs_path=True)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        return _check_url(value, schemes=("redis", "rediss"), needs_path=False)

    @field_validator("stripe_api_base", "otel_exporter_otlp_endpoint")
    @classmethod
    def _stand_in(cls, value: str | None) -> str | None:
        return value and _check_url(value, schemes=("http", "https"), needs_path=False)

    @field_validator(
        "kafka_topic_payments", "kafka_topic_notifications", "kafka_topic_dead_letters", "kafka_topic_refunds"
    )
    @classmethod
    def _topic(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", value) or value in {".", ".."}:
            raise ValueError("is not a topic's name")
        return value

    @field_validator("kafka_group_instance_id")
    @classmethod
    def _member(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", value):
            raise ValueError("is not a member's name")
        return value

    @field_validator("keep_inbox", "keep_outbox", "keep_webhooks", "keep_jobs")
    @classmethod
    def _kept_for_a_day(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(days=1):
            raise ValueError("is shorter than a day")
        return value

    @field_validator("keep_personal")
    @classmethod
    def _kept_for_a_month(cls, value: timedelta | None) -> timedelta | None:
        # The card networks' cap counts the declines of 30 days by the card's fingerprint.
        if value is not None and value < timedelta(days=30):
            raise ValueError("is shorter than 30 days")
        return value

    @model_validator(mode="after")
    def _no_live_key_for_a_stand_in(self) -> "Env":
        if self.stripe_api_base and self.is_live:
            raise ValueError(
                "STRIPE_API_BASE: a live key would be sent to a stand-in: unset STRIPE_API_BASE, or use sk_test_…"
            )
        return self

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """What webhooks may be signed with: none, one, or two while one is replaced."""
        return tuple(_split(self.stripe_webhook_secret.get_secret_value()))

    @property
    def is_live(self) -> bool:
        """Whether the key moves real money."""
        return "_live_" in self.stripe_secret_key.get_secret_value()


def variables() -> dict[str, str]:
    """What is set, in `.env` or, stronger, in the environment; empty means not set. Raises `EnvInvalid`."""
    try:
        in_file = dotenv_values(".env")
    except UnicodeDecodeError:
        raise EnvInvalid([".env: is not UTF-8 text: save it as UTF-8"]) from None
    except OSError as error:
        raise EnvInvalid([f".env: can't be read ({error.strerror}): make it readable, or remove it"]) from None
    found = {name: value for name, value in in_file.items() if value}
    return found | {name: value for name, value in os.environ.items() if value}


def load() -> Env:
    """Read and check all settings. Raises `EnvInvalid`."""
    given = variables()
    try:
        from_files: dict[str, Any] = _values_from_files(given)
        return Env(**from_files)
    except ValidationError as error:
        raise EnvInvalid([_one_line(problem) for problem in error.errors()]) from None


def kafka_properties() -> dict[str, str]:
    """What the operator passes through to librdkafka, by property name. Raises `EnvInvalid`."""
    found: dict[str, str] = {}
    from_files: dict[str, str] = {}
    for variable, value in variables().items():
        if not variable.startswith("KAFKA_") or variable.lower() in Env.model_fields:
            continue
        in_file = variable.endswith("_FILE")
        name = variable.removeprefix("KAFKA_").removesuffix("_FILE" if in_file else "").lower().replace("_", ".")
        if name in KAFKA_OWNED:
            raise EnvInvalid([f"{variable}: can't be set here: {KAFKA_OWNED[name]}: unset it"])
        if name in KAFKA_PASSED_THROUGH:
            (from_files if in_file else found)[name] = _read(variable, value) if in_file else value
    found |= from_files
    if "session.timeout.ms" in found and variables().get("KAFKA_GROUP_PROTOCOL") == "consumer":
        raise EnvInvalid(
            ["KAFKA_SESSION_TIMEOUT_MS: with KAFKA_GROUP_PROTOCOL=consumer the brokers decide it: unset it"]
        )
    return found


def _values_from_files(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _read(f"{name.upper()}_FILE", environ[f"{name.upper()}_FILE"])
        for name in Env.model_fields
        if environ.get(f"{name.upper()}_FILE")
    }


def _read(variable: str, path: str) -> str:
    # Says nothing of the path: somebody may have put the secret itself there.
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise EnvInvalid([f"{variable}: can't be read ({why}): name a readable file"]) from None


def _check_url(value: str, *, schemes: tuple[str, ...], needs_path: bool) -> str:
    try:
        url = urlsplit(value)
        port_is_a_number = url.port is None or url.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in schemes or not url.hostname or not port_is_a_number:
        raise ValueError("is not a " + " or ".join(f"{scheme}://" for scheme in schemes) + " URL")
    if needs_path and not url.path.strip("/"):
        raise ValueError("names no database")
    return value


def _one_line(problem: Mapping[str, object]) -> str:
    """Never quotes the value: it may be a secret."""
    location = problem["loc"]
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not isinstance(location, tuple) or not location:
        return message
    name = str(location[0])
    if problem["type"] == "missing":
        message = "is missing"
    fix = Env.model_fields[name].description
    return f"{name.upper()}: {message[0].lower()}{message[1:]}: {fix}"
