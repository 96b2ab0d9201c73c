"""The Django app of the money core."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    """Named so that the admin's menu reads well."""

    name = "payments"
    verbose_name = _("Payments")
