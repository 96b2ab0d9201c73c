"""`make test` runs all tests but chaos and those that need a browser, Go or Node.js: which folders are those?"""

import tomllib

from tests.e2e.deployment import ROOT


def test_no_folder_of_tests_is_forgotten() -> None:
    """A new folder that isn't named in pyproject.toml would never be run."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    there = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").glob("*/test_*.py")}
    assert there - set(named) == {"tests/browser", "tests/chaos", "tests/deploy", "tests/node"}
