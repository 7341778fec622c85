"""Who can sign in at the development issuer: two tenants with every role, and an owner who is new."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a role in a tenant; `sub` is how audit logs name them."""

    sub: str
    name: str
    tenant: str
    role: str


ROLES = ("viewer", "editor", "owner", "operator")
PEOPLE = {
    one.sub: one
    for one in (
        Person("olga", "Olga", "acme", "owner"),
        Person("egor", "Egor", "acme", "editor"),
        Person("vera", "Vera", "acme", "viewer"),
        Person("oleg", "Oleg", "acme", "operator"),
        Person("grace", "Grace", "globex", "owner"),
        Person("gleb", "Gleb", "globex", "editor"),
        Person("gina", "Gina", "globex", "viewer"),
        Person("guy", "Guy", "globex", "operator"),
        Person("nina", "Nina", "initech", "owner"),
    )
}


def person_of(form: Mapping[str, str]) -> Person | None:
    """Return whom a form chose: `sub` of people above, or a `role` in any `tenant`; None: a stranger."""
    tenant, role = form.get("tenant", "").strip(), form.get("role", "")
    if "sub" not in form and tenant and role in ROLES:
        return Person(f"dev-{role}", role.capitalize(), tenant[:128], role)
    return PEOPLE.get(form.get("sub", ""))
