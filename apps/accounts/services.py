"""Which tenant a person works in, and what the roles allow there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import Group
from django.db.models import prefetch_related_objects

from apps.accounts.models import Tenant

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

VIEWER = "viewer"
OPERATOR = "operator"
ROLES = (VIEWER, OPERATOR)


def default_tenant() -> Tenant:
    return Tenant.objects.default()


def tenant_of(user: User) -> Tenant:
    """The tenant whose rows `user` sees. Taken from the account, never from the request."""
    return default_tenant()


def grant(user: User, role: str) -> None:
    """Give `user` a role. Raises ValueError for a role that does not exist."""
    if role not in ROLES:
        raise ValueError(f"no role {role!r}: use one of {', '.join(ROLES)}")
    group, _ = Group.objects.get_or_create(name=role)
    user.groups.add(group)


def can_view(user: User | AnonymousUser) -> bool:
    """Viewers read; operators read too."""
    return _has_role(user, ROLES)


def can_operate(user: User | AnonymousUser) -> bool:
    """Operators start workflows and use the verbs on instances."""
    return _has_role(user, (OPERATOR,))


def _has_role(user: User | AnonymousUser, names: tuple[str, ...]) -> bool:
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    # Kept with the user for the request: a page of the admin asks for every table it lists.
    prefetch_related_objects([user], "groups")
    return any(group.name in names for group in user.groups.all())
