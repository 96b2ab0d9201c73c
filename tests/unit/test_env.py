"""Configuration: each setting that is missing or wrong is one line, which names it and says how to fix it."""

from datetime import timedelta
from pathlib import Path

import pytest

from billing_project import env, env_kafka
from tests.unit import environment
from tests.unit.environment import GOOD, problems

FIX = {
    "STRIPE_SECRET_KEY": "set it to your Stripe secret key (sk_test_… or sk_live_…)",
    "KAFKA_BROKER": "set it to host:port of a Kafka broker, several with commas",
    "DATABASE_URL": "set it to postgresql://user:password@host:5432/database",
    "REDIS_URL": "set it to redis://host:6379/0",
    "SECRET_KEY": "set it to 50 or more random characters; sessions are signed with it",
}
# Where a wrong value could show: no line may ever hold it.
CANARY = "canary"


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test makes its own mistakes."""
    environment.put(monkeypatch, tmp_path)


def test_five_settings_are_enough() -> None:
    """Everything else has a default that is safe."""
    settings = env.load()
    assert settings.stripe_secret_key.get_secret_value() == "sk_test_1"
    assert (settings.price_unit, settings.stripe_rate_limit, settings.debug) == ("major", 20, False)
    assert (settings.stripe_api_base, settings.is_live) == (None, False)
    assert settings.allowed_hosts == ["localhost", "127.0.0.1"]
    assert settings.kafka_topic_payments == "payment.createInitial"
    assert settings.kafka_topic_notifications == "notification.paying"
    assert env_kafka.kafka_properties() == {}


@pytest.mark.parametrize(
    ("value", "span"),
    [(None, timedelta(days=3)), ("90m", timedelta(minutes=90)), (" 12h ", timedelta(hours=12))],
)
def test_how_long_an_outage_may_last_is_a_span(
    monkeypatch: pytest.MonkeyPatch, value: str | None, span: timedelta
) -> None:
    """Minutes, hours or days."""
    if value is not None:
        monkeypatch.setenv("OUTAGE_BUDGET", value)
    assert env.load().outage_budget == span


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    """Not set and set to nothing are the same."""
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    assert problems() == [f"{name}: is missing: {FIX[name]}"]


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five starts for five mistakes would be four too many."""
    for name in GOOD:
        monkeypatch.delenv(name)
    assert problems() == [f"{name}: is missing: {FIX[name]}" for name in GOOD]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("STRIPE_SECRET_KEY", "pk_test_canary", "is not a secret key of Stripe"),
        ("STRIPE_SECRET_KEY", "sk_canary", "is not a secret key of Stripe"),
        ("STRIPE_SECRET_KEY", "sk_test_canary canary", "is not a secret key of Stripe"),
        ("SECRET_KEY", "canary", "is shorter than 32 characters"),
        ("KAFKA_BROKER", "canary", "is not host:port"),
        ("KAFKA_BROKER", "kafka:9092,canary", "is not host:port"),
        ("KAFKA_BROKER", "kafka:9092 canary:9092", "is not host:port"),
        ("KAFKA_BROKER", "SSL://canary:9092", "is not host:port"),
        ("KAFKA_BROKER", "canary:0", "is not host:port"),
        ("KAFKA_BROKER", "canary:65536", "is not host:port"),
        ("KAFKA_BROKER", "kafka:9092,canary:99999", "is not host:port"),
        ("DATABASE_URL", "canary", "is not a postgresql:// or postgres:// URL"),
        ("DATABASE_URL", "mysql://canary:canary@host/db", "is not a postgresql:// or postgres:// URL"),
        ("DATABASE_URL", "postgresql:///canary", "is not a postgresql:// or postgres:// URL"),
        ("DATABASE_URL", "postgresql://host:canary/db", "is not a URL"),
        ("DATABASE_URL", "postgresql://user:canary@host:0/db", "is not a postgresql:// or postgres:// URL"),
        ("DATABASE_URL", "postgresql://user:canary@host:65536/db", "is not a URL"),
        ("DATABASE_URL", "postgresql://user:can#ary@host/db", "is not a URL"),
        ("DATABASE_URL", "postgresql://[canary/db", "is not a URL"),
        ("DATABASE_URL", "postgresql://user:canary@host", "names no database"),
        ("DATABASE_URL", "postgresql://user:canary@host/", "names no database"),
        ("REDIS_URL", "canary", "is not a redis:// or rediss:// URL"),
        ("REDIS_URL", "http://:canary@host", "is not a redis:// or rediss:// URL"),
        ("REDIS_URL", "redis://", "is not a redis:// or rediss:// URL"),
        ("REDIS_URL", "redis://:canary@host:0", "is not a redis:// or rediss:// URL"),
        ("REDIS_URL", "redis://:canary@host:65536", "is not a URL"),
    ],
)
def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str) -> None:
    """Its name, what is wrong, and the fix; never the value, which may be a secret."""
    monkeypatch.setenv(name, value)
    assert problems() == [f"{name}: {problem}: {FIX[name]}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_API_BASE", "canary"),
        ("STRIPE_API_BASE", "ftp://canary"),
        ("STRIPE_RATE_LIMIT", "canary"),
        ("STRIPE_RATE_LIMIT", "0"),
        ("STRIPE_RATE_LIMIT", "10001"),
        ("STRIPE_RATE_LIMIT", "-5"),
        ("KEEP_INBOX", "canary"),
        ("KEEP_OUTBOX", "23h"),
        ("KEEP_PERSONAL", "29d"),
        ("OUTAGE_BUDGET", "canary"),
        ("OUTAGE_BUDGET", "0d"),
        ("OUTAGE_BUDGET", "1d,2d"),
        ("BRIDGE_STALLED_AFTER", "canary"),
        ("BRIDGE_STALLED_AFTER", "9"),
        ("BRIDGE_STALLED_AFTER", "3601"),
        ("METRICS_PORT", "canary"),
        ("METRICS_PORT", "0"),
        ("METRICS_PORT", "65536"),
        ("PRICE_UNIT", "canary"),
        ("PRICE_UNIT", "MAJOR"),
        ("KAFKA_GROUP_ID", "  "),
        ("KAFKA_GROUP_PROTOCOL", "canary"),
        ("KAFKA_GROUP_INSTANCE_ID", "canary 1"),
        ("KAFKA_GROUP_INSTANCE_ID", "c" * 250),
        ("BRIDGE_BATCH_BYTES", "canary"),
        ("BRIDGE_BATCH_BYTES", "65535"),
        ("BRIDGE_BATCH_BYTES", "268435457"),
        ("STOP_WITHIN", "canary"),
        ("STOP_WITHIN", "0"),
        ("STOP_WITHIN", "601"),
        ("KAFKA_TOPIC_PAYMENTS", "canary topic"),
        ("KAFKA_TOPIC_NOTIFICATIONS", "canary/topic"),
        ("KAFKA_TOPIC_DEAD_LETTERS", "c" * 250),
        # Kafka itself refuses these two.
        ("KAFKA_TOPIC_PAYMENTS", "."),
        ("KAFKA_TOPIC_NOTIFICATIONS", ".."),
        ("LOG_FORMAT", "canary"),
        ("LOG_LEVEL", "canary"),
        ("DEBUG", "canary"),
    ],
)
def test_a_wrong_option_is_one_line_too(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What has a default is checked as strictly as what hasn't."""
    monkeypatch.setenv(name, value)
    (line,) = problems()
    fix = env.Env.model_fields[name.lower()].description
    assert line.startswith(f"{name}: ")
    assert line.endswith(f": {fix}")
    assert CANARY not in line
    assert "\n" not in line


def test_every_setting_says_how_to_fix_it() -> None:
    """The line ends in an instruction, not in a name for the setting."""
    fixes = {name: str(field.description) for name, field in env.Env.model_fields.items()}
    assert {name: fix for name, fix in fixes.items() if not fix.startswith(("set it to ", "unset it, "))} == {}


@pytest.mark.parametrize("key", ["sk_live_canary", "rk_live_canary"])
def test_a_live_key_never_goes_to_a_stand_in(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A test set-up with the real key is stopped before anything is sent."""
    monkeypatch.setenv("STRIPE_SECRET_KEY", key)
    assert env.load().is_live
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:12111")
    assert problems() == [
        "STRIPE_API_BASE: a live key would be sent to a stand-in: unset STRIPE_API_BASE, or use sk_test_…"
    ]
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_1")
    assert env.load().stripe_api_base == "http://127.0.0.1:12111"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", "rk_test_1"),
        ("KAFKA_BROKER", "a:9092, b.example.kz:9093"),
        ("KAFKA_BROKER", "[::1]:9092"),
        ("KAFKA_BROKER", "kafka:1,kafka:65535"),
        ("DATABASE_URL", "postgres://user:p%40ss@host/billing?sslmode=require"),
        ("REDIS_URL", "rediss://:secret@host"),
        ("STRIPE_RATE_LIMIT", "10000"),
        ("KAFKA_GROUP_PROTOCOL", "consumer"),
        ("KAFKA_GROUP_INSTANCE_ID", "bridge-0.billing"),
        ("ALLOWED_HOSTS", "billing.example.kz, 10.0.0.1,"),
    ],
)
def test_what_operators_really_write_is_understood(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Several brokers, IPv6, encrypted passwords, trailing commas."""
    monkeypatch.setenv(name, value)
    assert env.load()


def test_host_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not JSON, as pydantic would have it."""
    monkeypatch.setenv("ALLOWED_HOSTS", "billing.example.kz, 10.0.0.1,")
    assert env.load().allowed_hosts == ["billing.example.kz", "10.0.0.1"]


def test_a_dot_env_file_is_read_and_the_environment_outranks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """For developers; what the platform sets has the last word."""
    Path(".env").write_text("STRIPE_SECRET_KEY=sk_test_of_the_file\nPRICE_UNIT=minor\nSOMEBODY_ELSES=1\n")
    assert env.load().price_unit == "minor"
    assert env.load().stripe_secret_key.get_secret_value() == "sk_test_1"
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    assert env.load().stripe_secret_key.get_secret_value() == "sk_test_of_the_file"


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody will print them: neither the keys show nor the passwords in the URLs."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://user:{CANARY}@host/billing")
    monkeypatch.setenv("REDIS_URL", f"redis://:{CANARY}@host")
    settings = env.load()
    for printed in (repr(settings), str(settings), f"{[settings]}"):
        assert GOOD["SECRET_KEY"] not in printed
        assert GOOD["STRIPE_SECRET_KEY"] not in printed
        assert CANARY not in printed
        assert GOOD["KAFKA_BROKER"] in printed


@pytest.mark.parametrize(
    ("value", "sums"), [("KZT:500000,usd:1000", {"KZT": 500_000, "USD": 1_000}), (" JPY:0 ", {"JPY": 0}), ("", {})]
)
def test_sums_that_need_a_second_person_are_in_major_units(
    monkeypatch: pytest.MonkeyPatch, value: str, sums: dict[str, int]
) -> None:
    """One for each currency."""
    monkeypatch.setenv("APPROVAL_ABOVE_SUM", value)
    assert env.load().approval_above_sum == sums


@pytest.mark.parametrize("value", ["500000", "KZT", "KZT:-1", "KZT:1.5", "TENGE:5", "KZT:1;USD:1"])
def test_a_sum_that_nobody_can_read_is_one_line(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With the form that it should have."""
    monkeypatch.setenv("APPROVAL_ABOVE_SUM", value)
    assert problems(env.load) == [
        "APPROVAL_ABOVE_SUM: is not a list of sums: set it to sums, e.g. KZT:500000,USD:1000, or unset it"
    ]
