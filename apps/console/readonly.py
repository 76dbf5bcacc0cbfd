"""Looking without touching, at tables of any size."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator

from apps.accounts.services import can_view

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    Admin = admin.ModelAdmin[Any]
else:
    Admin = admin.ModelAdmin

COUNTED_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for the type checker alone
    """Counts COUNTED_ROWS rows at most, and shows no more: counting a log of a million rows takes seconds."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin pages querysets only
        return rows.order_by().values("pk")[:COUNTED_ROWS].count()


class ReadOnly(Admin):
    """Base of every admin of the engine's own tables.

    Rows are changed by services, which keep the rules between them; `large` columns are read on a row's page alone.
    """

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-pk",)
    large: ClassVar[tuple[str, ...]] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The role decides, as in the API, and not a permission for each table.
        return can_view(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        return rows.defer(*self.large) if is_list else rows
