"""The parts of the system, who talks to whom, and what nobody may read in a log."""

SECRETS = {
    "STRIPE_SECRET_KEY": "sk_test_chaosSecretKeyOfNobody",
    "STRIPE_WEBHOOK_SECRET": "whsec_chaosWebhookSecret",
    "SECRET_KEY": "chaosDjangoSecretKeyThatNobodyMayReadInALogFile0123456789",
}
KINDS = ("bridge", "worker", "beat", "relay", "web")
# Who talks to whom; `staff` is who types commands.
USERS = {
    "postgres": (*KINDS, "staff"),
    "redis": ("bridge", "worker", "beat", "web", "staff"),
    "kafka": ("bridge", "relay"),
    "stripe": ("worker", "web", "staff"),
}
# Kafka's second broker leads some of the partitions.
SECOND = "second-kafka"
LINKS = (
    *(f"{kind}-{service}" for service, kinds in USERS.items() for kind in kinds),
    *(f"{kind}-{SECOND}" for kind in USERS["kafka"]),
    "stripe-web",
)
