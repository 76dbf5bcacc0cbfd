from __future__ import annotations

from allauth.headless.account import views as account
from allauth.headless.base.views import APIView
from allauth.headless.constants import Client
from allauth.headless.mfa import views as mfa
from allauth.headless.tokens.views import RefreshTokenView
from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import StringConverter
from drf_spectacular.views import SpectacularJSONAPIView

from apps.gateway.views import health, instances, services, signals, starts, verbs, waits, workflows


class NameConverter(StringConverter):
    # PostgreSQL refuses to be asked for text with NUL in it.
    regex = r"[^/\x00]+"


register_converter(NameConverter, "name")

# Chosen one by one: signing up, resetting a password and changing an address by mail are left out.
AUTH: dict[str, type[APIView]] = {
    "login": account.LoginView,
    "refresh": RefreshTokenView,
    "session": account.SessionView,
    "reauthenticate": account.ReauthenticateView,
    "password": account.ChangePasswordView,
    "2fa/authenticate": mfa.AuthenticateView,
    "2fa/reauthenticate": mfa.ReauthenticateView,
    "authenticators": mfa.AuthenticatorsView,
    "authenticators/totp": mfa.ManageTOTPView,
    "authenticators/recovery-codes": mfa.ManageRecoveryCodesView,
}
INSTANCE: list[URLPattern | URLResolver] = [
    path("history", instances.InstanceHistory.as_view()),
    path("waits", instances.InstanceWaits.as_view()),
    path("pause", verbs.Pause.as_view()),
    path("resume", verbs.Resume.as_view()),
    path("cancel", verbs.Cancel.as_view()),
    path("retry", verbs.Retry.as_view()),
    path("rewind", verbs.Rewind.as_view()),
    path("patch", verbs.Patch.as_view()),
]
API: list[URLPattern | URLResolver] = [
    *(path(f"auth/{at}", view.as_api_view(client=Client.APP)) for at, view in AUTH.items()),
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("services/register", services.Register.as_view()),
    path("services/<name:name>/signals", services.ServiceSignals.as_view()),
    path("signals", signals.Signals.as_view()),
    path("signals/<int:signal_id>", signals.SignalDetail.as_view()),
    path("workflows", workflows.WorkflowList.as_view()),
    path("workflows/<name:name>/start", starts.Start.as_view()),
    path("instances", instances.InstanceList.as_view()),
    path("instances/<uuid:instance_id>", instances.InstanceDetail.as_view()),
    path("instances/<uuid:instance_id>/", include(INSTANCE)),
    path("waits", waits.WaitList.as_view()),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(API)),
    path("healthz", health.alive),
    path("readyz", health.ready),
]
