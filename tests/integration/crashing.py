"""Addresses, every one of which crashes."""

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from billing_project import urls

handler500 = urls.handler500


def crash(request: HttpRequest) -> HttpResponse:
    """A view as nobody wants it."""
    raise RuntimeError("why it crashed")


def miss(request: HttpRequest) -> HttpResponse:
    """A view while the database is away."""
    raise OperationalError("server closed the connection")


urlpatterns = [
    path("", crash),
    path("webhooks/stripe", miss),
    path("admin/crash/", crash),
    path("admin/miss/", miss),
    path("", include("billing_project.urls")),
]
