"""The files of a deployment keep the rules of those who read them: hadolint, Compose's schema, and our own promises."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from billing_project.env import Env
from tests import compose

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCHEMA = json.loads((ROOT / "tests/deploy/schemas/compose-spec.json").read_text())
FIRST_RUN = compose.read(variables={})
WITH_A_KEY = compose.read(variables={"STRIPE_SECRET_KEY": "sk_test_1", "POSTGRES_PASSWORD": "1"})
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
OURS = {name: one for name, one in FIRST_RUN.items() if one.raw["image"].startswith("billing-payments")}


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    """All of its rules, none left out."""
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=30)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_images_have_exact_tags() -> None:
    """Nothing changes by itself."""
    images = {one.raw["image"] for one in FIRST_RUN.values()}
    assert len(images) == 7
    assert [image for image in images if not re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?", image)] == []
    assert re.search(r"^ARG PYTHON_VERSION=3\.\d+\.\d+-slim-\w+\nARG PYTHON_DIGEST=$", DOCKERFILE, re.MULTILINE)
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == {"python:${PYTHON_VERSION}${PYTHON_DIGEST}", "packages"}


def test_the_image_is_made_of_listed_files_and_locked_packages_and_is_not_root() -> None:
    """What isn't on the list of .dockerignore can't get in: no .env, no data. The product's image has no simulator."""
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert ignore[0] == "*"
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY [^-]", line)]
    names = {name for names in copied for name in names}
    assert {name for name in names if not name.startswith("billing_project/")} == allowed
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert "RUN rm -r billing_project/dev " in DOCKERFILE
    assert DOCKERFILE.count("pip install") == DOCKERFILE.count("--require-hashes --only-binary :all:") == 2
    assert len(re.findall(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, re.MULTILINE)) == 2


@pytest.mark.parametrize("file", [compose.FILE, *sorted((ROOT / "deploy/compose").glob("*.yml"))], ids=lambda f: f.name)
def test_compose_files_keep_composes_schema(file: Path) -> None:
    """That of compose-go 2.16.2, which Compose reads them with."""
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(file.read_text()))


def test_a_first_run_needs_nothing_set_and_a_key_ends_what_is_only_safe_on_ones_own_machine() -> None:
    """No stand-in and no key that is known to all beside Stripe; blanks in `.env` count as not set."""
    required = {name.upper() for name, field in Env.model_fields.items() if field.is_required()}
    first, real = FIRST_RUN["worker"].environment, WITH_A_KEY["worker"].environment
    assert required <= first.keys()
    assert first["STRIPE_API_BASE"] == "http://simulator:12111"
    assert {"STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET", "SECRET_KEY", "METRICS_TOKEN"} & real.keys() == set()
    assert real["STRIPE_SECRET_KEY"] == "sk_test_1"
    assert real["DATABASE_URL"] == "postgresql://billing:1@postgres:5432/billing"
    assert compose.read(variables={"STRIPE_SECRET_KEY": ""})["worker"].environment == first


def test_the_simulator_is_in_stripes_place_only_as_long_as_there_is_no_key() -> None:
    """With a key it is there on request, in its own profile."""
    assert "profiles" not in FIRST_RUN["simulator"].raw
    assert WITH_A_KEY["simulator"].raw["profiles"] == ["simulator"]
    assert WITH_A_KEY["simulator"].command == FIRST_RUN["simulator"].command
    assert FIRST_RUN["worker"].raw["depends_on"]["simulator"]["required"] is False
    secret = FIRST_RUN["web"].environment["STRIPE_WEBHOOK_SECRET"]
    assert f"--webhook-secret={secret}" in FIRST_RUN["simulator"].command


@pytest.mark.parametrize("service", sorted(OURS))
def test_our_containers_may_do_as_little_as_possible(service: str) -> None:
    """A read-only root file system, no capability, no way to more rights."""
    raw = FIRST_RUN[service].raw
    assert (raw["read_only"], raw["tmpfs"], raw["cap_drop"]) == (True, ["/tmp"], ["ALL"])  # noqa: S108
    assert raw["security_opt"] == ["no-new-privileges:true"]


def test_every_process_has_a_health_check_and_time_to_end() -> None:
    """Bridge and relay end by force after STOP_WITHIN, a charge in hand takes up to a minute."""
    for name in ("bridge", "worker", "beat", "relay", "web"):
        assert FIRST_RUN[name].health, name
    within = Env.model_fields["stop_within"].default
    assert min(FIRST_RUN["bridge"].grace, FIRST_RUN["relay"].grace) > within
    assert FIRST_RUN["worker"].grace > 60


def test_nothing_is_reached_from_another_machine() -> None:
    """Docker passes by a host's firewall."""
    published = [port for one in FIRST_RUN.values() for port in one.raw.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_what_is_mounted_from_the_checkout_is_there_and_can_not_be_written() -> None:
    """Docker would make an empty folder of what it doesn't find."""
    mounted = [one for service in FIRST_RUN.values() for one in service.raw.get("volumes", []) if one[0] == "."]
    assert mounted
    for mount in mounted:
        source, _, mode = mount.split(":")
        assert (ROOT / source).is_dir(), mount
        assert mode == "ro"


def test_prometheus_asks_every_process_that_has_metrics() -> None:
    """Web answers at its own port, the others at METRICS_PORT."""
    found = [one for job in PROMETHEUS["scrape_configs"] for one in job.get("dns_sd_configs", [])]
    asked = {(name, str(one["port"])) for one in found for name in one["names"]}
    ports = {name: one.environment.get("METRICS_PORT") for name, one in FIRST_RUN.items()}
    assert asked == {(name, port) for name, port in ports.items() if port} | {("web", "8000")}


def test_prometheus_shows_the_token_that_web_asks_for() -> None:
    """The same default in both places, and one setting for both."""
    [web] = [job for job in PROMETHEUS["scrape_configs"] if job["job_name"].endswith("-web")]
    [config] = FIRST_RUN["prometheus"].raw["configs"]
    assert web["authorization"]["credentials_file"] == config["target"]
    for token in ({}, {"METRICS_TOKEN": "a" * 20}):
        model = compose.load(compose.FILE, token)
        shown = model["configs"][config["source"]]["content"]
        assert shown == token.get("METRICS_TOKEN", FIRST_RUN["web"].environment["METRICS_TOKEN"])


def test_grafana_finds_its_source_and_our_dashboards() -> None:
    """By files alone; the folder of the dashboards is the one that is mounted."""
    folder = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((folder / "dashboards/billing.yml").read_text())["providers"]
    assert f"./deploy/grafana:{provider['options']['path']}:ro" in FIRST_RUN["grafana"].raw["volumes"]
