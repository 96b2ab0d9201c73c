"""The settings of Kafka's own client that an operator may pass through, and those that hold a promise and may not."""

from billing_project.env import Env
from billing_project.env_sources import EnvInvalid, read_file, variables

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
_MEMORY = "a bridge's memory stays bounded, whatever the backlog"
_TIMES = "Kafka must not give up a transaction that the relay still waits for"
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
    "partition.assignment.strategy": "a rebalance must not take from a bridge what stays with it",
    "isolation.level": "records of a transaction that was aborted were never sent",
    "enable.partition.eof": "the lag is known by it",
    "fetch.queue.backoff.ms": "a second, the default, halves what a bridge can read",
    "fetch.max.bytes": _MEMORY,
    "max.partition.fetch.bytes": _MEMORY,
    "queued.max.messages.kbytes": _MEMORY,
    "queued.min.messages": _MEMORY,
    "transaction.timeout.ms": _TIMES,
    "delivery.timeout.ms": _TIMES,
    "linger.ms": "the relay's batches are the outbox's",
    "bootstrap.servers": "the brokers are those of KAFKA_BROKER",
}


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
            (from_files if in_file else found)[name] = read_file(variable, value) if in_file else value
    found |= from_files
    if "session.timeout.ms" in found and variables().get("KAFKA_GROUP_PROTOCOL") == "consumer":
        raise EnvInvalid(
            ["KAFKA_SESSION_TIMEOUT_MS: with KAFKA_GROUP_PROTOCOL=consumer the brokers decide it: unset it"]
        )
    return found
