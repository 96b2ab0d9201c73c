"""Addresses, every one of which crashes."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def crash(request: HttpRequest) -> HttpResponse:
    """A view as nobody wants it."""
    raise RuntimeError


urlpatterns = [path("", crash)]
