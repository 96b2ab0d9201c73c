"""Somebody at a shell who does what docs/operations.md says, block by block."""

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from billing_project.dev.services.postgres import find_binaries
from tests.e2e.deployment import ROOT, Deployment

SECTION = (ROOT / "docs/operations.md").read_text().split("\n## Backup and restore\n")[1].split("\n## ")[0]
BACKUP, RESTORE, BRIDGE, ADOPT, REWIND, AUDIT = re.findall(r"^ *```sh\n(.*?)```", SECTION, re.MULTILINE | re.DOTALL)


class Operator:
    """In a folder with `manage.py`. Where the page names a time, it is `moment`, in UTC."""

    def __init__(self, *, deployment: Deployment, folder: Path, moment: datetime) -> None:
        self._deployment, self._folder = deployment, folder
        folder.mkdir()
        (folder / "manage.py").symlink_to(deployment.root / "manage.py")
        self._moment = moment.strftime("%Y-%m-%dT%H:%M")

    def try_to_run(self, block: str) -> subprocess.CompletedProcess[str]:
        """The commands of a block as they stand there, up to the first that doesn't end well."""
        path = f"{find_binaries()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", block.replace("2026-01-31T12:00", self._moment)], cwd=self._folder,
            env=self._deployment.env | {"PATH": path}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def run(self, block: str) -> str:
        """Each has to end well. Returns what they say."""
        done = self.try_to_run(block)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
