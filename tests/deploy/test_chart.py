"""The chart, rendered by Helm: Kubernetes would take it, and it keeps what the service promises and needs.

No cluster is asked: what admission, KEDA and the Prometheus operator make of it isn't shown here.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from billing_project.env import Env
from payments.limits import BACKLOG_QUEUE, CHARGE_QUEUE, KEY_PREFIX
from tests import compose
from tests.deploy.conftest import ALL, CHART, LEAST, ROOT, Manifest

SCHEMAS = Path(__file__).parent / "schemas"
# The oldest that the chart takes, and the newest that there are schemas of.
VERSIONS = ("1.29", "1.37")
PROCESSES = ("bridge", "worker", "beat", "relay", "web")
Render = Callable[[dict[str, str]], list[Manifest]]
Helm = Callable[..., subprocess.CompletedProcess[str]]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """By component."""
    found = [one for one in manifests if one["kind"] == kind]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}


def container(workload: Manifest) -> dict[str, Any]:
    """The only one of its pod."""
    [only] = workload["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def test_helm_has_nothing_to_say_about_the_chart(helm: Helm) -> None:
    """With what must be set, and no more."""
    done = helm("lint", "--strict", str(CHART), **LEAST)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("missing", sorted(LEAST))
def test_what_must_be_set_is_asked_for_by_name(helm: Helm, missing: str) -> None:
    """And not found out by pods that don't start."""
    values = {name: value for name, value in LEAST.items() if name != missing}
    done = helm("template", "shop", str(CHART), **values)
    assert done.returncode != 0
    assert f"{missing}: " in done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_every_manifest_keeps_its_schema(render: Render, values: dict[str, str], version: str) -> None:
    """Strictly: Kubernetes would drop a field that it doesn't know without a word."""
    for manifest in render(values):
        own = SCHEMAS / f"{manifest['kind']}.json"
        if own.exists():
            jsonschema.validate(manifest, json.loads(own.read_text()))
        else:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_everything_is_there(render: Render) -> None:
    """Five processes, their budgets and policies, scaling for two, metrics, and both jobs before all."""
    manifests = render(ALL)
    assert set(of_kind(manifests, "Deployment")) == set(PROCESSES)
    assert set(of_kind(manifests, "PodDisruptionBudget")) == set(PROCESSES)
    assert set(of_kind(manifests, "NetworkPolicy")) == {*PROCESSES, "migrate", "topics"}
    assert set(of_kind(manifests, "ScaledObject")) == {"bridge", "worker"}
    assert set(of_kind(manifests, "Job")) == {"migrate", "topics"}
    for kind in ("ServiceMonitor", "PrometheusRule", "Ingress"):
        assert len(of_kind(manifests, kind)) == 1, kind
    for job in of_kind(manifests, "Job").values():
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_the_chart_starts_what_the_compose_file_starts(render: Render) -> None:
    """By the same commands, but for what is told at a first start."""
    composed = compose.read(variables={})
    manifests = render(LEAST | {"bridge.from": "earliest"})
    for process, deployment in of_kind(manifests, "Deployment").items():
        assert container(deployment)["command"] == composed[process].command
    [migrate] = of_kind(manifests, "Job").values()
    assert container(migrate)["command"] == composed["migrate"].command
    env = {one["name"]: one["value"] for one in container(migrate)["env"]}
    assert env["PGOPTIONS"] == composed["migrate"].environment["PGOPTIONS"]


def test_no_pod_may_do_more_than_it_needs(render: Render) -> None:
    """Not root, nothing written but /tmp, no capability, no token of the cluster's."""
    manifests = render(ALL)
    for workload in [*of_kind(manifests, "Deployment").values(), *of_kind(manifests, "Job").values()]:
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(workload)["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert [one["mountPath"] for one in container(workload)["volumeMounts"]] == ["/tmp"]  # noqa: S108


def test_settings_are_settings_and_secrets_come_from_the_secret(render: Render) -> None:
    """None is misspelt, and none that is secret stands in a manifest."""
    known = {name.upper() for name in Env.model_fields}
    for deployment in of_kind(render(ALL), "Deployment").values():
        given = {one["name"] for one in container(deployment)["env"]}
        assert given <= known
        assert given & {"STRIPE_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"} == set()
        assert container(deployment)["envFrom"] == [{"secretRef": {"name": "billing"}}]


def test_kubernetes_waits_longer_than_a_process_takes_to_end(render: Render) -> None:
    """Bridge and relay end by force after STOP_WITHIN; the chart sets both from one value."""
    for process, deployment in of_kind(render(LEAST | {"stopWithin": "40"}), "Deployment").items():
        grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        env = {one["name"]: one.get("value") for one in container(deployment)["env"]}
        assert env["STOP_WITHIN"] == "40"
        assert grace > {"bridge": 40, "relay": 40, "worker": 60, "beat": 10, "web": 25}[process]


def test_scaling_asks_for_the_queues_and_the_group_that_there_are(render: Render) -> None:
    """As the code and the settings name them; where KEDA scales, the Deployment names no number."""
    manifests = render(ALL)
    scaled = of_kind(manifests, "ScaledObject")
    lists = [trigger["metadata"]["listName"] for trigger in scaled["worker"]["spec"]["triggers"]]
    assert lists == [KEY_PREFIX + CHARGE_QUEUE, KEY_PREFIX + BACKLOG_QUEUE]
    [lag] = scaled["bridge"]["spec"]["triggers"]
    assert lag["metadata"]["consumerGroup"] == Env.model_fields["kafka_group_id"].default
    assert lag["metadata"]["topic"] == Env.model_fields["kafka_topic_payments"].default
    assert lag["metadata"]["bootstrapServers"] == "kafka-1:9092"
    deployments = of_kind(manifests, "Deployment")
    assert {name for name, one in deployments.items() if "replicas" not in one["spec"]} == {"bridge", "worker"}
    for name, one in scaled.items():
        assert one["spec"]["scaleTargetRef"]["name"] == deployments[name]["metadata"]["name"]


def test_services_budgets_and_policies_choose_the_pods_that_they_mean(render: Render) -> None:
    """A selector that fits nothing is no error to Kubernetes."""
    manifests = render(ALL)
    pods = {name: one["spec"]["template"] for name, one in of_kind(manifests, "Deployment").items()}
    for kind, where in (("Service", "selector"), ("PodDisruptionBudget", ""), ("NetworkPolicy", "podSelector")):
        for name, one in of_kind(manifests, kind).items():
            if name in pods:
                spec = one["spec"]
                labels = spec["selector"] if where == "selector" else spec.get(where or "selector")["matchLabels"]
                assert labels.items() <= pods[name]["metadata"]["labels"].items()
    [monitor] = of_kind(manifests, "ServiceMonitor").values()
    asked = {one["port"] for one in monitor["spec"]["endpoints"]}
    for name, service in of_kind(manifests, "Service").items():
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        [port] = service["spec"]["ports"]
        assert port["name"] in asked
        assert port["targetPort"] in {one["name"] for one in container({"spec": {"template": pods[name]}})["ports"]}


@pytest.mark.parametrize("base", ["", "https://git.example.kz/b", "https://git.example.kz/b/"])
def test_the_alerts_are_those_that_the_tests_try_and_lead_to_the_runbook(render: Render, base: str) -> None:
    """One source, not a copy: deploy/alerts.yml. Only the way to the runbook is another."""
    [rules] = of_kind(render(ALL | {"prometheusRule.runbookBaseUrl": base}), "PrometheusRule").values()
    prefix = f"{base.rstrip('/')}/" if base else ""
    expected = (ROOT / "deploy" / "alerts.yml").read_text().replace("runbook_url: docs/", f"runbook_url: {prefix}docs/")
    assert rules["spec"] == yaml.safe_load(expected)
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["runbook_url"].startswith(f"{prefix}docs/runbook.md#billing")


def test_only_those_who_need_stripe_and_kafka_reach_them(render: Render) -> None:
    """A bridge that was taken over can't send anything to the internet."""
    reached = {
        name: {port["port"] for rule in one["spec"]["egress"] for port in rule["ports"]}
        for name, one in of_kind(render(LEAST), "NetworkPolicy").items()
    }
    assert {name for name, ports in reached.items() if 443 in ports} == {"worker", "web"}
    assert {name for name, ports in reached.items() if 9092 in ports} == {"bridge", "relay", "web", "topics"}
    assert {name for name, ports in reached.items() if 5432 not in ports} == {"topics"}
