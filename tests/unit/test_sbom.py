"""`make sbom`: what is in the image, in a form that scanners read."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_sbom_names_each_locked_package_with_its_version_and_hashes(tmp_path: Path) -> None:
    """Of the lock from which the image is made, and nothing else; as CycloneDX, which the tool itself validates."""
    file = tmp_path / "sbom.cdx.json"
    made = subprocess.run(
        ["make", "--old-file=.venv/.installed", "sbom", f"SBOM={file}"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    bom = json.loads(file.read_text())
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "billing-payments")
    lock = re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", (ROOT / "requirements" / "base.txt").read_text(), re.MULTILINE)
    listed = {(one["name"], one["version"]): one for one in bom["components"]}
    assert len(lock) > 30
    assert set(listed) == set(lock)
    assert all(one["externalReferences"][0]["hashes"] for one in listed.values())
    assert all(one["purl"].startswith("pkg:pypi/") for one in listed.values())
