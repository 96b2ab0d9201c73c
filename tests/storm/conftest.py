"""Storms run on a deployment as the other tests of whole processes do."""

import pytest

pytest.register_assert_rewrite("tests.e2e.load", "tests.e2e.deployment", "tests.storm.sea")

from tests.e2e.conftest import _template, deployment  # noqa: E402

__all__ = ["_template", "deployment"]
