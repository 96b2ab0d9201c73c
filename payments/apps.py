"""The Django app of the money core."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Named so that the admin's menu reads well."""

    name = "payments"
    verbose_name = "Payments"
