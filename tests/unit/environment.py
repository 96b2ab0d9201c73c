"""An environment in which nothing is wrong, to make one thing wrong in."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from billing_project import env, env_sources

GOOD = {
    "STRIPE_SECRET_KEY": "sk_test_1",
    "KAFKA_BROKER": "kafka:9092",
    "DATABASE_URL": "postgresql://user:password@host:5432/billing",
    "REDIS_URL": "redis://host:6379/0",
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
}


def put(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Set what is needed and nothing else, whatever this machine has set; no `.env` is found in `folder`."""
    ours = {name.upper() for name in env.Env.model_fields}
    for name in list(os.environ):
        if name.upper().removesuffix("_FILE") in ours or name.startswith("KAFKA_"):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)


def problems(read: Callable[[], object] = env.load) -> list[str]:
    """The lines that an operator reads, with this environment."""
    with pytest.raises(env_sources.EnvInvalid) as invalid:
        read()
    assert str(invalid.value) == "\n".join(invalid.value.problems)
    return invalid.value.problems
