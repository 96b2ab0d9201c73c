"""Users and groups, as superusers see them, in unfold's look. Django finds this file by its name.

Second factors have no page: it would show the secrets of others. `manage.py staff reset-two-factor` takes one away.
"""

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

for model in (User, Group, StaticDevice, TOTPDevice):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(auth.UserAdmin, ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """Who can log in, and in which groups they are."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(auth.GroupAdmin, ModelAdmin):
    """What each group may do; those of the product are put right by `manage.py staff_groups`."""
