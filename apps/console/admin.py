"""Every table of the engine, to be seen. Accounts and roles are Django's own pages, and those can be edited."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from apps.accounts.models import Tenant
from apps.catalog.models import EnrolmentToken, Service, ServiceKey, SignalType
from apps.console.readonly import ReadOnly
from apps.console.signing_in import SignIn
from apps.definitions.models import Artifact, LoadError, Version, Workflow
from apps.instances.models import Claim, History, Instance, Instruction
from apps.signals.models import Cursor, Delivery, Signal, SignalKey
from apps.waits.models import LookBack, Template, Wait

admin.site.site_header = admin.site.site_title = "Resumable Functions"
admin.site.login_form = SignIn
admin.site.login_template = "console/sign_in.html"

# What is large in an instance, where a list shows the instance of a row.
OF_INSTANCE = ("instance__snapshot", "instance__result", "instance__error")

# Their packages register these to be edited.
for editable in (Authenticator, PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(editable)


@admin.register(Tenant)
class TenantAdmin(ReadOnly):
    list_display = ("slug", "name", "created_at")


@admin.register(Service)
class ServiceAdmin(ReadOnly):
    list_display = ("name", "tenant", "status", "registered_at")
    list_filter = ("status",)
    list_select_related = ("tenant",)
    search_fields = ("name__exact",)


@admin.register(ServiceKey)
class ServiceKeyAdmin(ReadOnly):
    list_display = ("key_id", "service", "status", "created_at", "retires_at")
    list_filter = ("status",)
    list_select_related = ("service",)
    search_fields = ("key_id__exact", "service__name__exact")
    exclude = ("secret",)


@admin.register(EnrolmentToken)
class EnrolmentTokenAdmin(ReadOnly):
    list_display = ("service_name", "tenant", "created_at", "expires_at", "used_at", "created_by")
    list_select_related = ("tenant", "created_by")
    exclude = ("token_hash",)


@admin.register(SignalType)
class SignalTypeAdmin(ReadOnly):
    list_display = ("name", "tenant", "deliver", "declared_by", "declared_at")
    list_filter = ("deliver",)
    list_select_related = ("tenant",)
    search_fields = ("name__exact",)
    large = ("schema",)


@admin.register(Artifact)
class ArtifactAdmin(ReadOnly):
    list_display = ("hash", "created_at")
    ordering = ("-created_at",)
    search_fields = ("hash__startswith",)
    large = ("files",)


@admin.register(Workflow)
class WorkflowAdmin(ReadOnly):
    list_display = ("name", "tenant", "status", "version", "created_at")
    list_filter = ("status",)
    list_select_related = ("tenant", "version")
    search_fields = ("name__exact",)


@admin.register(Version)
class VersionAdmin(ReadOnly):
    list_display = ("workflow", "label", "artifact_id", "status", "key_field", "schedule", "created_at")
    list_filter = ("status",)
    list_select_related = ("workflow",)


@admin.register(LoadError)
class LoadErrorAdmin(ReadOnly):
    list_display = ("path", "line", "message", "seen_at")


@admin.register(Instance)
class InstanceAdmin(ReadOnly):
    list_display = ("public_id", "workflow", "version", "key", "status", "revision", "started_at", "updated_at")
    list_filter = ("status", "workflow")
    list_select_related = ("workflow", "version")
    search_fields = ("public_id__exact", "key__exact")
    large = ("snapshot", "result", "error", "version__starts")


@admin.register(Instruction)
class InstructionAdmin(ReadOnly):
    list_display = ("instance", "kind", "scope", "actor", "held", "created_at")
    list_select_related = ("instance",)
    large = ("args", *OF_INSTANCE)


@admin.register(History)
class HistoryAdmin(ReadOnly):
    list_display = ("instance", "seq", "kind", "at")
    list_select_related = ("instance",)
    search_fields = ("instance__public_id__exact",)
    large = ("detail", "state", "snapshot", *OF_INSTANCE)


@admin.register(Claim)
class ClaimAdmin(ReadOnly):
    list_display = ("token", "instance_ids", "started_at")
    ordering = ("started_at",)


@admin.register(Template)
class TemplateAdmin(ReadOnly):
    list_display = ("signal", "workflow", "tenant", "fields_shown")
    list_select_related = ("workflow", "tenant")

    @admin.display(description="fields")
    def fields_shown(self, template: Template) -> str:
        return ", ".join(str(path) for path, *_ in template.fields) or "none"


@admin.register(Wait)
class WaitAdmin(ReadOnly):
    list_display = ("instance", "number", "kind", "signal", "name", "due_at", "held", "created_at")
    list_filter = ("kind", "held")
    list_select_related = ("instance",)
    search_fields = ("instance__public_id__exact", "signal__exact")
    large = ("criteria", *OF_INSTANCE)


@admin.register(LookBack)
class LookBackAdmin(ReadOnly):
    list_display = ("id", "created_at")
    large = ("owed",)


@admin.register(Signal)
class SignalAdmin(ReadOnly):
    list_display = ("id", "name", "uid", "service", "received_at", "occurred_at", "correlation_id")
    list_select_related = ("service",)
    search_fields = ("name__exact", "uid__exact")
    large = ("payload",)


@admin.register(SignalKey)
class SignalKeyAdmin(ReadOnly):
    list_display = ("uid", "service", "signal_id", "received_at")
    list_select_related = ("service",)
    search_fields = ("uid__exact",)
    large = ("digest",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("signal_id", "instance", "state", "seq", "created_at")
    list_filter = ("state",)
    list_select_related = ("instance",)
    search_fields = ("instance__public_id__exact",)
    large = OF_INSTANCE


@admin.register(Cursor)
class CursorAdmin(ReadOnly):
    list_display = ("name", "position", "wait_after", "attempts")


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReadOnly):
    """A schedule is made from what a workflow file says; changed here it would be changed back."""

    list_display = ("name", "task", "enabled", "interval", "crontab", "last_run_at")
    list_select_related = ("interval", "crontab")


@admin.register(CrontabSchedule, IntervalSchedule)
class ScheduleAdmin(ReadOnly):
    pass


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    exclude = ("data",)
