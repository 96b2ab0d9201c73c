"""The side bar marks what unfold would mark, without comparing every link of it with every tab on every page."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from unfold.sites import UnfoldAdminSite

from payments.admin import saved_views

LIST = "/admin/payments/payment/"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", [LIST, f"{LIST}?look=yes", "/admin/payments/inboxmessage/?verdict=parked", "/admin/"]
)
def test_each_link_is_marked_as_by_unfold(address: str) -> None:
    """On a list with saved views, on one of these, and elsewhere."""
    request = RequestFactory().get(address)
    request.user = User(username="aida", is_superuser=True, is_staff=True, is_active=True)
    site: Any = admin.site
    tabs = saved_views.tabs(request)
    links = [item["link"] for group in saved_views.navigation(request) for item in group["items"]]
    assert LIST in links
    for link in links:
        marked = site._get_is_tab_active(request, tabs, link)
        assert marked == UnfoldAdminSite._get_is_tab_active(site, request, tabs, link), link
        assert marked == (link == LIST and address != "/admin/"), link


@pytest.mark.django_db
def test_only_the_link_that_is_a_tabs_is_compared_with_the_tabs(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where unfold asks by another name than it does now: then all pages are slower again."""
    asked: list[str] = []
    compare = UnfoldAdminSite._get_is_tab_active

    def noted(self: Any, request: Any, tabs: Any, link: Any) -> Any:
        asked.append(link)
        return compare(self, request, tabs, link)

    monkeypatch.setattr(UnfoldAdminSite, "_get_is_tab_active", noted)
    client.force_login(User.objects.create_superuser("aida"))
    client.get(LIST)
    assert asked == [LIST]
