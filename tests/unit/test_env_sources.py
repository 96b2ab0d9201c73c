"""Where settings come from: files, the environment, `.env`; and what is passed through to Kafka's client."""

from pathlib import Path

import pytest

from billing_project import env, env_kafka, env_sources
from tests.unit import environment
from tests.unit.environment import problems

# What nobody may read in a line: a value, or a path in whose place somebody has put the secret itself.
CANARY = "canary"


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


def dot_env(**lines: str) -> None:
    """Write `.env` in the current folder."""
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def stripe_key() -> str:
    """What Stripe would be asked with."""
    return env.load().stripe_secret_key.get_secret_value()


def test_a_secret_may_come_in_a_file(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """`NAME_FILE` alone is enough."""
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    monkeypatch.setenv("STRIPE_SECRET_KEY_FILE", secret)
    assert stripe_key() == "sk_test_of_the_file"


def test_the_file_outranks_the_environment(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Whoever mounts a secret means it."""
    monkeypatch.setenv("STRIPE_SECRET_KEY_FILE", secret)
    assert stripe_key() == "sk_test_of_the_file"


def test_the_name_of_a_file_may_stand_in_dot_env(secret: str) -> None:
    """It outranks the environment from there as well: what counts is that it is a file."""
    dot_env(STRIPE_SECRET_KEY_FILE=secret)
    assert stripe_key() == "sk_test_of_the_file"


def test_an_empty_name_of_a_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files leave them."""
    dot_env(DATABASE_URL_FILE="")
    monkeypatch.setenv("STRIPE_SECRET_KEY_FILE", "")
    assert stripe_key() == "sk_test_1"


def test_what_is_in_the_file_is_checked_like_any_value(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """And isn't shown either."""
    Path(secret).write_text(CANARY)
    monkeypatch.setenv("STRIPE_SECRET_KEY_FILE", secret)
    assert problems() == [
        "STRIPE_SECRET_KEY: is not a secret key of Stripe: set it to your Stripe secret key (sk_test_… or sk_live_…)"
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [(CANARY, "No such file or directory"), (".", "Is a directory"), (CANARY * 50, "File name too long")],
    ids=["missing", "folder", "too long"],
)
@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY_FILE", "DATABASE_URL_FILE"])
def test_a_file_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, path: str, why: str
) -> None:
    """The variable, the system's reason, the fix; never the path, which may be the secret itself."""
    monkeypatch.setenv(name, path)
    assert problems() == [f"{name}: can't be read ({why}): name a readable file"]


def test_a_file_that_is_not_text_is_one_line(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """A keystore in the place of a password, for example."""
    Path(secret).write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SECRET_KEY_FILE", secret)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", secret)
    for name, read in (("SECRET_KEY_FILE", env.load), ("KAFKA_SASL_PASSWORD_FILE", env_kafka.kafka_properties)):
        assert problems(read) == [f"{name}: can't be read (it is not UTF-8 text): name a readable file"]


def test_a_dot_env_that_is_not_text_is_one_line() -> None:
    """An editor of another age saved it."""
    Path(".env").write_bytes("PRICE_UNIT=minor # тенге\n".encode("cp1251"))
    for read in (env.load, env_kafka.kafka_properties, env_sources.variables):
        assert problems(read) == [".env: is not UTF-8 text: save it as UTF-8"]


def test_empty_means_not_set_wherever_it_stands(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """An empty variable, as compose files make of one that isn't set, hides nothing of `.env`."""
    dot_env(
        PRICE_UNIT="minor", KAFKA_CLIENT_ID="billing", STRIPE_SECRET_KEY_FILE=secret, KAFKA_CLIENT_RACK="", DEBUG=""
    )
    for name in ("PRICE_UNIT", "KAFKA_CLIENT_ID", "STRIPE_SECRET_KEY_FILE"):
        monkeypatch.setenv(name, "")
    settings = env.load()
    assert (settings.price_unit, settings.debug, stripe_key()) == ("minor", False, "sk_test_of_the_file")
    assert env_kafka.kafka_properties() == {"client.id": "billing"}


def test_known_properties_are_passed_through_to_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KAFKA_SECURITY_PROTOCOL` is librdkafka's `security.protocol`; values are taken as they are."""
    for name, value in {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "billing",
        "KAFKA_SASL_PASSWORD": " pass=word ",
        "KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
        "KAFKA_SOCKET_TIMEOUT_MS": "30000",
        "KAFKA_CLIENT_ID": "",
        "SECURITY_PROTOCOL": "PLAINTEXT",
        "MY_KAFKA_CLIENT_ID": "x",
    }.items():
        monkeypatch.setenv(name, value)
    assert env_kafka.kafka_properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "billing",
        "sasl.password": " pass=word ",
        "ssl.ca.location": "/etc/ca.pem",
        "socket.timeout.ms": "30000",
    }


def test_properties_of_kafkas_may_stand_in_dot_env(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Like every setting: the environment is stronger, and the name of a file is a name of a file."""
    dot_env(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SASL_USERNAME="billing", KAFKA_SASL_PASSWORD_FILE=secret)
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    assert env_kafka.kafka_properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "billing",
        "sasl.password": "sk_test_of_the_file",
    }


def test_a_promise_is_not_broken_from_dot_env_either() -> None:
    """The same line as for the environment."""
    dot_env(KAFKA_ACKS=CANARY)
    assert problems(env_kafka.kafka_properties) == [refusal("KAFKA_ACKS", "acks")]


@pytest.mark.parametrize("name", sorted(env_kafka.KAFKA_PASSED_THROUGH))
def test_each_property_has_a_variable(monkeypatch: pytest.MonkeyPatch, secret: str, name: str) -> None:
    """Upper case, dots to underscores, itself or in a file: no property of the list is out of reach."""
    variable = f"KAFKA_{name.upper().replace('.', '_')}"
    monkeypatch.setenv(variable, "x")
    assert env_kafka.kafka_properties() == {name: "x"}
    monkeypatch.delenv(variable)
    monkeypatch.setenv(f"{variable}_FILE", secret)
    assert env_kafka.kafka_properties() == {name: "sk_test_of_the_file"}


@pytest.mark.parametrize("name", sorted(env_kafka.KAFKA_OWNED))
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_property_that_holds_a_promise_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, suffix: str) -> None:
    """One line with the reason; neither the value nor a quiet disregard. A file isn't even opened."""
    variable = f"KAFKA_{name.upper().replace('.', '_')}{suffix}"
    monkeypatch.setenv(variable, CANARY)
    assert problems(env_kafka.kafka_properties) == [refusal(variable, name)]


def test_no_property_is_both_passed_through_and_owned_or_a_setting() -> None:
    """Each has one answer."""
    assert not env_kafka.KAFKA_PASSED_THROUGH & set(env_kafka.KAFKA_OWNED)
    known = env_kafka.KAFKA_PASSED_THROUGH | set(env_kafka.KAFKA_OWNED)
    assert not {f"kafka_{name.replace('.', '_')}" for name in known} & set(env.Env.model_fields)


def test_what_kubernetes_injects_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a service called "kafka", every pod has these."""
    for name, value in {
        "KAFKA_PORT": "tcp://10.0.0.1:9092",
        "KAFKA_SERVICE_HOST": "10.0.0.1",
        "KAFKA_SERVICE_PORT": "9092",
        "KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
        "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
        "KAFKA_PORT_9092_TCP_PROTO": "tcp",
        "KAFKA_UI_SERVICE_HOST": "10.0.0.2",
    }.items():
        monkeypatch.setenv(name, value)
    assert env_kafka.kafka_properties() == {}


def test_a_file_of_something_unknown_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour's variable that looks like ours, and names a file that this pod hasn't got, stops nothing."""
    for name in ("KAFKA_LOG_FILE", "KAFKA_SERVICE_FILE", "KAFKA_FILE", "KAFKA__FILE"):
        monkeypatch.setenv(name, "/nowhere/at-all")
    assert env_kafka.kafka_properties() == {}


def test_our_own_settings_are_not_properties(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """`KAFKA_GROUP_ID` and the topics are ours, in files, too."""
    ours = {name.upper() for name in env.Env.model_fields if name.startswith("kafka_")}
    assert len(ours) >= 5
    for name in ours:
        monkeypatch.setenv(name, "x")
        monkeypatch.setenv(f"{name}_FILE", secret)
    assert env_kafka.kafka_properties() == {}


@pytest.mark.parametrize("names", [("", "_FILE"), ("_FILE", "")], ids=["value first", "file first"])
def test_a_password_of_kafkas_may_come_in_a_file(
    monkeypatch: pytest.MonkeyPatch, secret: str, names: tuple[str, str]
) -> None:
    """And outranks the variable, as every `NAME_FILE` does, in whatever order they were set."""
    for name in names:
        monkeypatch.setenv(f"KAFKA_SASL_PASSWORD{name}", secret if name else "other")
    assert env_kafka.kafka_properties() == {"sasl.password": "sk_test_of_the_file"}


def test_a_password_file_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a client fails to log in for an hour; and not the path, which may be the password."""
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", f"/nowhere/{CANARY}")
    assert problems(env_kafka.kafka_properties) == [
        "KAFKA_SASL_PASSWORD_FILE: can't be read (No such file or directory): name a readable file"
    ]


def refusal(variable: str, name: str) -> str:
    """The line about a property that holds a promise."""
    return f"{variable}: can't be set here: {env_kafka.KAFKA_OWNED[name]}: unset it"


def test_a_members_session_is_the_brokers_where_they_share_out_the_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's client would refuse to start, less clearly."""
    monkeypatch.setenv("KAFKA_SESSION_TIMEOUT_MS", "10000")
    assert env_kafka.kafka_properties() == {"session.timeout.ms": "10000"}
    monkeypatch.setenv("KAFKA_GROUP_PROTOCOL", "consumer")
    assert problems(env_kafka.kafka_properties) == [
        "KAFKA_SESSION_TIMEOUT_MS: with KAFKA_GROUP_PROTOCOL=consumer the brokers decide it: unset it"
    ]
