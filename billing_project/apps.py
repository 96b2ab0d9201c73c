"""Makes the Celery app the current one in every process that Django sets up: bridge, web and commands ring too."""

from importlib import import_module

from django.apps import AppConfig


class BillingProjectConfig(AppConfig):
    """The composition root."""

    name = "billing_project"

    def ready(self) -> None:
        """Tasks need models, which are there by now."""
        import_module("billing_project.celery")
