"""docker-compose.yml as Compose's own library understands it: all tests that read the file without it read the same."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import compose
from tests.deploy.conftest import ROOT, TOOLS


def understood(folder: Path, *profiles: str, **variables: str) -> dict[str, dict[str, Any]]:
    """The services of these profiles, for one who has set these variables."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    assert (TOOLS / "compose").exists(), "make deploy-check builds it"
    done = subprocess.run(
        [TOOLS / "compose", folder, *profiles], env=plain | variables, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return services


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clone has of it; no `.env` of this machine's."""
    (tmp_path / "docker-compose.yml").symlink_to(ROOT / "docker-compose.yml")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


CASES: dict[str, dict[str, str]] = {
    "nothing set": {},
    "a key": {"STRIPE_SECRET_KEY": "sk_test_1", "SECRET_KEY": "x" * 50, "POSTGRES_PASSWORD": "p"},
    "blanks": {"STRIPE_SECRET_KEY": "", "SECRET_KEY": "", "POSTGRES_PASSWORD": ""},
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_compose_understands_what_our_tests_understand(checkout: Path, case: str) -> None:
    """Commands, environment, health checks and time to end of every service, profiles included."""
    (checkout / ".env").write_text("".join(f"{name}={value}\n" for name, value in CASES[case].items()))
    ours = compose.read(variables={}, dotenv=checkout / ".env")
    theirs = understood(checkout, "watch", "simulator")
    assert theirs.keys() == ours.keys()
    for name, service in ours.items():
        assert theirs[name].get("environment", {}) == service.environment, name
        assert (theirs[name].get("command") or []) == service.command, name
        checks = [one.get("healthcheck", {}).get("test") for one in (theirs[name], service.raw)]
        assert checks[0] == checks[1], name


def test_what_runs_without_a_profile(checkout: Path) -> None:
    """The simulator only as long as there is no key; Prometheus and Grafana on request."""
    first, real = understood(checkout), understood(checkout, STRIPE_SECRET_KEY="sk_test_1")
    assert first.keys() - real.keys() == {"simulator"}
    assert {"prometheus", "grafana"} & first.keys() == set()
    assert understood(checkout, "watch").keys() - first.keys() == {"prometheus", "grafana"}
    assert "simulator" in understood(checkout, "simulator", STRIPE_SECRET_KEY="sk_test_1")
