"""Where histories begin: an empty database and an empty Stripe, in milliseconds."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from tests.integration.ledger_rows import restoring


@dataclass(frozen=True)
class Desk:
    """What is shared by all histories of a run."""

    stripe: Simulator
    gateway: Gateway

    def open(self) -> tuple[Simulator, Gateway]:
        """Clear it of the last history."""
        self.stripe.control.reset()
        self.stripe.control.clear_faults()
        self.gateway.account = ""
        tables = [model._meta.db_table for model in apps.get_app_config("payments").get_models()]
        with restoring(), connection.cursor() as cursor:
            cursor.execute(";".join(f"DELETE FROM {table}" for table in tables))  # noqa: S608 - names of models
        return self.stripe, self.gateway
