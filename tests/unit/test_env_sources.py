"""Secrets that come in files, and what is passed through to Kafka's client."""

from pathlib import Path

import pytest

from billing_project import env
from tests.unit import environment
from tests.unit.environment import problems


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test makes its own mistakes."""
    environment.put(monkeypatch, tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A file as Docker and Kubernetes mount it, with the line feed that editors add."""
    path = tmp_path / "secret"
    path.write_text("sk_test_of_the_file\n")
    return str(path)


def test_a_secret_may_come_in_a_file(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """`NAME_FILE` alone is enough."""
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    settings = env.load({"STRIPE_SECRET_KEY_FILE": secret})
    assert settings.stripe_secret_key.get_secret_value() == "sk_test_of_the_file"


def test_the_file_outranks_the_environment(secret: str) -> None:
    """Whoever mounts a secret means it."""
    settings = env.load({"STRIPE_SECRET_KEY_FILE": secret})
    assert settings.stripe_secret_key.get_secret_value() == "sk_test_of_the_file"


def test_an_empty_name_of_a_file_is_none() -> None:
    """As compose files leave them."""
    assert env.load({"STRIPE_SECRET_KEY_FILE": ""}).stripe_secret_key.get_secret_value() == "sk_test_1"


def test_what_is_in_the_file_is_checked_like_any_value(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """And isn't shown either."""
    Path(secret).write_text("canary")
    monkeypatch.setenv("STRIPE_SECRET_KEY_FILE", secret)
    assert problems() == [
        "STRIPE_SECRET_KEY: is not a secret key of Stripe: set it to your Stripe secret key (sk_test_… or sk_live_…)"
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [("nowhere", "No such file or directory"), (".", "Is a directory"), ("a" * 300, "File name too long")],
)
@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY_FILE", "DATABASE_URL_FILE"])
def test_a_file_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, path: str, why: str
) -> None:
    """The variable, the system's reason, the fix."""
    monkeypatch.setenv(name, path)
    (line,) = problems()
    assert line.startswith(f"{name}: can't read ")
    assert line.endswith(f"({why}): name a readable file")


def test_known_properties_are_passed_through_to_kafka() -> None:
    """`KAFKA_SECURITY_PROTOCOL` is librdkafka's `security.protocol`; values are taken as they are."""
    assert env.kafka_properties({
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "billing",
        "KAFKA_SASL_PASSWORD": " pass=word ",
        "KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
        "KAFKA_SOCKET_TIMEOUT_MS": "30000",
        "SECURITY_PROTOCOL": "PLAINTEXT",
        "MY_KAFKA_CLIENT_ID": "x",
    }) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "billing",
        "sasl.password": " pass=word ",
        "ssl.ca.location": "/etc/ca.pem",
        "socket.timeout.ms": "30000",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(env.KAFKA_PASSED_THROUGH))
def test_each_property_has_a_variable(name: str) -> None:
    """Upper case, dots to underscores: no property of the list is out of reach."""
    assert env.kafka_properties({f"KAFKA_{name.upper().replace('.', '_')}": "x"}) == {name: "x"}


@pytest.mark.parametrize("name", sorted(set(env.KAFKA_OWNED) - {"group.id"}))
def test_a_property_that_holds_a_promise_is_refused(name: str) -> None:
    """One line with the reason; neither the value nor a quiet disregard."""
    variable = f"KAFKA_{name.upper().replace('.', '_')}"
    with pytest.raises(env.EnvInvalid) as invalid:
        env.kafka_properties({variable: "canary"})
    (line,) = invalid.value.problems
    assert line.startswith(f"{variable}: ")
    assert env.KAFKA_OWNED[name] in line
    assert "canary" not in line


def test_no_property_is_both_passed_through_and_owned() -> None:
    """Two lists, two answers."""
    assert not env.KAFKA_PASSED_THROUGH & set(env.KAFKA_OWNED)


def test_what_kubernetes_injects_is_ignored() -> None:
    """Beside a service called "kafka", every pod has these."""
    assert (
        env.kafka_properties(
            {
                "KAFKA_PORT": "tcp://10.0.0.1:9092",
                "KAFKA_SERVICE_HOST": "10.0.0.1",
                "KAFKA_SERVICE_PORT": "9092",
                "KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
                "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
                "KAFKA_PORT_9092_TCP_PROTO": "tcp",
                "KAFKA_UI_SERVICE_HOST": "10.0.0.2",
            }
        )
        == {}
    )


def test_our_own_settings_are_not_properties() -> None:
    """`KAFKA_GROUP_ID` and the topics are ours."""
    ours = {name.upper(): "x" for name in env.Env.model_fields if name.startswith("kafka_")}
    assert len(ours) >= 5
    assert env.kafka_properties(ours) == {}


def test_a_password_of_kafkas_may_come_in_a_file(secret: str) -> None:
    """And outranks the variable, as every `NAME_FILE` does."""
    environ = {"KAFKA_SASL_PASSWORD_FILE": secret, "KAFKA_SASL_PASSWORD": "other"}
    assert env.kafka_properties(environ) == {"sasl.password": "sk_test_of_the_file"}


def test_a_password_file_that_is_not_there_is_one_line() -> None:
    """Before a client fails to log in for an hour."""
    with pytest.raises(env.EnvInvalid) as invalid:
        env.kafka_properties({"KAFKA_SASL_PASSWORD_FILE": "/nowhere/secret"})
    assert invalid.value.problems == [
        "KAFKA_SASL_PASSWORD_FILE: can't read /nowhere/secret (No such file or directory): name a readable file"
    ]
