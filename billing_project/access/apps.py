"""The admin, with our own site in place of Django's."""

from django.contrib.admin.apps import AdminConfig


class AccessConfig(AdminConfig):
    """Everything that is registered with `admin.site` is behind the second factor."""

    default_site = "billing_project.access.site.Site"
