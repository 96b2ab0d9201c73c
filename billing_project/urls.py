"""Where a request goes: staff to the admin, Stripe to the webhooks, probes nowhere near here: see health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from payments import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("webhooks/stripe", views.receive_webhook),
]
handler500 = "billing_project.trouble.answer"
