"""What the demo runs on: services that are configured are used, the others are embedded."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from billing_project import env, env_kafka, env_sources
from billing_project.dev.services import Name

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / ".data" / "demo"
CACHE = ROOT / ".data" / "cache"

SERVICES: dict[Name, str] = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "kafka": "KAFKA_BROKER"}
STRIPE = "STRIPE_SECRET_KEY"
# What an embedded service's setting is until its port is known.
NOT_YET = {
    "DATABASE_URL": "postgresql://127.0.0.1/not-yet",
    "REDIS_URL": "redis://127.0.0.1",
    "KAFKA_BROKER": "127.0.0.1:9",
    STRIPE: "sk_test_simulator",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which services are embedded, and which variables are set from outside."""

    embedded: frozenset[Name]
    simulator: bool
    configured: tuple[str, ...]


def plan(*, data: Path) -> Plan:
    """Look at the environment and `.env`, check all of it, and complete it. Raises `env_sources.EnvInvalid`."""
    given = env_sources.variables()
    configured = tuple(name for name in (*SERVICES.values(), STRIPE) if name in given or f"{name}_FILE" in given)
    for name, value in NOT_YET.items():
        if name not in configured:
            os.environ[name] = value
    if "SECRET_KEY" not in given and "SECRET_KEY_FILE" not in given:
        os.environ["SECRET_KEY"] = _kept(data / "secret-key", length=50)
    os.environ.setdefault("DEBUG", "true")  # cookies over plain HTTP, on the loopback
    if env.load().is_live:
        raise env_sources.EnvInvalid(
            [f"{STRIPE}: is a live key: the demo moves no real money: unset it, or use sk_test_…"]
        )
    env_kafka.kafka_properties()
    return Plan(
        embedded=frozenset(name for name, variable in SERVICES.items() if variable not in configured),
        simulator=STRIPE not in configured,
        configured=configured,
    )


def admin_password(*, data: Path) -> str:
    """The demo's own, made once per data folder."""
    return _kept(data / "admin-password", length=12)


def webhook_secret(*, data: Path) -> str:
    """What the simulator signs its events with, and the web process believes."""
    return f"whsec_{_kept(data / 'webhook-secret', length=24)}"


def _kept(path: Path, *, length: int) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(length))
    return path.read_text()
