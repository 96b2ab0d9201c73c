"""Where a request goes: staff to the admin, probes to health."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from billing_project import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("livez", health.live),
    path("readyz", health.ready),
]
