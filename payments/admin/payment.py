"""Payments: the list is in `payment_list`, the page of one in `payment_page`."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from payments.admin import payment_page
from payments.admin.in_bulk import InBulk
from payments.admin.payment_list import PaymentList
from payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(InBulk, PaymentList):
    """List, search, choose many, open one."""

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """One payment's story; where there is none, or something is posted, as in any admin: not found, refused."""
        page: HttpResponse | None = None
        if request.method in ("GET", "HEAD"):
            page = payment_page.show(request=request, page=self, object_id=object_id)
        return page or super().change_view(request, object_id, *args, **kwargs)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The dashboard's number of unknown outcomes leads to their payments."""
        return lookup == "attempts__state__exact" or bool(super().lookup_allowed(lookup, value, request))
