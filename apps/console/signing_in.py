"""The admin's sign-in, held to the rules of the API's: attempts are limited and a second factor is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SignIn(AdminAuthenticationForm):
    code = forms.CharField(
        required=False,
        label="Code",
        help_text="of your second factor, if you have one",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username is None or password is None:
            return self.cleaned_data
        # The adapter's and not Django's: it counts failed attempts.
        user = get_adapter(self.request).authenticate(self.request, username=username, password=password)
        if user is None:
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(user)
        self.user_cache = user
        return self.cleaned_data

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        code = self.cleaned_data.get("code", "")
        if is_mfa_enabled(user) and not AuthenticateForm({"code": code}, user=user).is_valid():
            raise ValidationError("Enter the present code of your second factor.", code="second_factor")
