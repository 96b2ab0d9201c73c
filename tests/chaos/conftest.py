"""Chaos brings its own services, as it kills them."""

import logging

import pytest

pytest.register_assert_rewrite("tests.e2e.deployment")

from tests.e2e.conftest import _template, deployment  # noqa: E402

__all__ = ["_template", "deployment"]

# The neighbours' client tells of every connection that is refused, and all that are meant to be.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


def pytest_configure(config: pytest.Config) -> None:
    """It also leaves its socket open where Kafka goes away as it connects, as tests.services knows of its own Kafka."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
