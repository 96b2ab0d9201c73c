"""Every step of the Dockerfile that needs no engine is carried out, and what comes of it starts.

The packages are really installed, by their hashes. Left out, and said so: users, owners, layers, and the base image,
in whose place is this machine's own Python.
"""

import os
import subprocess
import sys

import pytest

from tests.deploy.conftest import ROOT
from tests.deploy.dockerfile import Stage, build
from tests.placeholders import PLACEHOLDERS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """All stages; the packages come from the registry, half a minute or so."""
    stages = build(ROOT / "Dockerfile", into=tmp_path_factory.mktemp("image"))
    for name, stage in stages.items():
        for step in stage.left_out:
            print(f"\nNOT CARRIED OUT in {name}: {step}", file=sys.stderr)
    return stages


def run(stage: Stage, command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """In the image's own environment and working directory, to its end."""
    found = {name: value.replace("$PATH", os.environ["PATH"]) for name, value in stage.env.items()}
    found["PATH"] = found["PATH"].replace("/opt/venv", f"{stage.root}/opt/venv")
    return subprocess.run(
        ["/usr/bin/env", *command], cwd=stage.place(stage.folder), env=found | env, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        ["python", "manage.py", "check"],
        ["python", "manage.py", "bridge", "--help"],
        ["python", "manage.py", "relay", "--help"],
        ["celery", "-A", "billing_project", "report"],
        ["gunicorn", "billing_project.wsgi", "--check-config"],
    ],
    ids=" ".join,
)
def test_the_image_has_what_its_processes_need(image: dict[str, Stage], command: list[str]) -> None:
    """Only locked packages and copied files: one that is missing in either would be an error here."""
    stage = image["run"]
    assert stage.cmd == ["gunicorn", "billing_project.wsgi"]
    done = run(stage, command, **PLACEHOLDERS)
    assert done.returncode == 0, done.stdout + done.stderr
    program = run(stage, ["which", command[0]]).stdout
    assert program.startswith(str(stage.root)), "not the image's own"


def test_the_products_image_holds_nothing_of_a_developers_machine(image: dict[str, Stage]) -> None:
    """No simulator, no demo, no tests; and compiled, as nothing can be written later."""
    app = image["run"].place("/app")
    assert sorted(path.name for path in app.iterdir() if path.name != "__pycache__") == [
        "billing_project", "bridge", "gunicorn.conf.py", "manage.py", "payments",
    ]  # fmt: skip
    assert not (app / "billing_project" / "dev").exists()
    assert list((app / "payments" / "__pycache__").glob("*.pyc"))


def test_the_simulators_image_starts_its_simulator(image: dict[str, Stage]) -> None:
    """With the image's own command, on another port and with its journal below the image's root."""
    stage = image["simulator"]
    command = [word.replace("12111", "0").replace("/var/lib", str(stage.root)) for word in stage.cmd]
    (stage.root / "simulator").mkdir()
    path = f"{stage.root}/opt/venv/bin:{os.environ['PATH']}"
    with subprocess.Popen(
        ["/usr/bin/env", *command], cwd=stage.place(stage.folder), env={"PATH": path}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("simulator ready at http://0.0.0.0:")
        finally:
            process.terminate()
    assert process.returncode == 0
    assert not (stage.place("/app") / "payments").exists()
