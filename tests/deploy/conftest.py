"""Tools that `make deploy-check` has built; one that is missing fails, as nothing is skipped silently."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".data" / "tools"
CHART = ROOT / "deploy" / "helm" / "billing-payments"

# What somebody has to set, and everything switched on.
LEAST = {"secretName": "billing", "settings.KAFKA_BROKER": "kafka-1:9092"}
ALL = LEAST | {
    "bridge.from": "latest",
    "topics.enabled": "true",
    "keda.enabled": "true",
    "keda.worker.redisAddress": "redis:6379",
    "keda.worker.authentication": "redis",
    "keda.bridge.authentication": "kafka",
    "serviceMonitor.enabled": "true",
    "serviceMonitor.labels.release": "prometheus",
    "prometheusRule.enabled": "true",
    "prometheusRule.labels.release": "prometheus",
    "prometheusRule.runbookBaseUrl": "https://git.example.kz/billing/-/blob/main/",
    "ingress.enabled": "true",
    "ingress.host": "pay.example.kz",
    "ingress.className": "nginx",
    "ingress.tlsSecretName": "pay-tls",
    "settings.ALLOWED_HOSTS": "pay.example.kz",
    "settings.STRIPE_RATE_LIMIT": "80",
    "image.digest": "sha256:" + "0" * 64,
    "image.pullSecrets[0]": "registry",
}

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Helm with arguments, to its end."""
    tool = TOOLS / "helm"
    assert tool.exists(), "make deploy-check builds it"

    def run(*arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
        given = [part for name, value in values.items() for part in ("--set", f"{name}={value}".replace(",", "\\,"))]
        # One built from source takes the cluster for a very old one, where it is asked about none.
        given += ["--kube-version", "1.37"]
        return subprocess.run([tool, *arguments, *given], capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture(scope="session")
def render(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[Manifest]]:
    """What Helm would send to Kubernetes for these values."""

    def run(values: dict[str, str]) -> list[Manifest]:
        done = helm("template", "shop", str(CHART), **values)
        assert done.returncode == 0, done.stderr
        return [one for one in yaml.safe_load_all(done.stdout) if one]

    return run
