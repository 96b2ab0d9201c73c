"""The project's settings with placeholders, for mypy's Django plugin."""

from tests import placeholders

placeholders.put()

from billing_project.settings import *  # noqa: E402, F403
