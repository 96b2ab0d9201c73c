"""Everything that is configured from outside, typed and checked before anything starts.

A wrong or missing setting must never surface as a traceback at night: `load` raises `EnvInvalid` with one
line per setting that names it and says how to fix it; the settings module prints them and exits with 1.
Sources, strongest first: `NAME_FILE` (a file that holds the value, for secrets), the environment, `.env`.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing_project.env_sources import EnvInvalid, read_file, variables
from billing_project.env_values import CommaList, Duration, Durations, Kept, Stripped, Sums, check_url, split

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
        secrets = split(value.get_secret_value())
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
        return check_url(value, schemes=("postgresql", "postgres"), needs_path=True)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        return check_url(value, schemes=("redis", "rediss"), needs_path=False)

    @field_validator("stripe_api_base", "otel_exporter_otlp_endpoint")
    @classmethod
    def _stand_in(cls, value: str | None) -> str | None:
        return value and check_url(value, schemes=("http", "https"), needs_path=False)

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
        return tuple(split(self.stripe_webhook_secret.get_secret_value()))

    @property
    def is_live(self) -> bool:
        """Whether the key moves real money."""
        return "_live_" in self.stripe_secret_key.get_secret_value()


def load() -> Env:
    """Read and check all settings. Raises `EnvInvalid`."""
    given = variables()
    try:
        from_files: dict[str, Any] = _values_from_files(given)
        return Env(**from_files)
    except ValidationError as error:
        raise EnvInvalid([_one_line(problem) for problem in error.errors()]) from None


def _values_from_files(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: read_file(f"{name.upper()}_FILE", environ[f"{name.upper()}_FILE"])
        for name in Env.model_fields
        if environ.get(f"{name.upper()}_FILE")
    }


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
