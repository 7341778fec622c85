"""Who can sign in at the development issuer: two tenants, every role."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a role in a tenant; `sub` is how audit logs name them."""

    sub: str
    name: str
    tenant: str
    role: str


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
    )
}
