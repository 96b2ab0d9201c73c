"""Chaos brings its own services, as it kills them."""

import logging

import pytest

pytest.register_assert_rewrite("tests.e2e.deployment")

# The neighbours' client tells of every connection that is refused, and all that are meant to be.
logging.getLogger("kafka").setLevel(logging.CRITICAL)

from tests.e2e.conftest import _template, deployment  # noqa: E402

__all__ = ["_template", "deployment"]
