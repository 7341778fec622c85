"""What agent-svc refuses, in the owner's words."""

from __future__ import annotations

from chassis.errors import Problem, Text, not_found


def no_agent() -> Problem:
    """Return the 404 for an agent that is not there."""
    return not_found(Text("agent", "агент"), "agent_id")


def no_version() -> Problem:
    """Return the 404 for a version that the agent never had."""
    return not_found(Text("version of this agent", "версия этого агента"), "version")


def no_provider(provider_field: str = "provider") -> Problem:
    """Return the 422 for a provider that operators have not listed."""
    return Problem(
        422,
        "provider_unknown",
        Text("This provider is not in the catalogue.", "Этого провайдера нет в каталоге."),
        action=Text("Choose a provider from the list.", "Выберите провайдера из списка."),
        field=provider_field,
    )


def no_key() -> Problem:
    """Return the 409 for an agent that has no key at the provider to ask."""
    return Problem(
        409,
        "no_provider_key",
        Text("The agent has no provider key.", "У агента нет ключа провайдера."),
        action=Text(
            "Paste your provider key on the agent's page.", "Вставьте ключ провайдера на странице агента."
        ),
    )


def bad_tool(path: str, why: str) -> Problem:
    """Return the 422 for a function whose schema is not acceptable; `path` says where."""
    return Problem(
        422,
        "function_schema_invalid",
        Text(f"The function's schema is not acceptable: {why}.", "Схема функции не подходит."),
        action=Text(f"Correct the schema at {path}.", f"Исправьте схему в месте {path}."),
        field=path,
    )


def route_changed(version: int, by: str) -> Problem:
    """Return the 412 for a route that changed since it was seen."""
    return Problem(
        412,
        "route_changed",
        Text(
            f"The route is at version {version} now, changed by {by or '—'}.",
            f"Маршрут уже версии {version}, изменил {by or '—'}.",
        ),
        action=Text("Look at the route and decide again.", "Посмотрите маршрут и решите снова."),
        field="If-Match",
        version=version,
        by=by,
    )


def nothing_to_roll_back() -> Problem:
    """Return the 409 for a rollback before any activation."""
    return Problem(
        409,
        "nothing_to_roll_back",
        Text("No other model served this agent before.", "До этого агенту не служила другая модель."),
        action=Text("Choose a model and press ▶.", "Выберите модель и нажмите ▶."),
    )


def bad_version() -> Problem:
    """Return the 422 for an If-Match that is no version of a route."""
    return Problem(
        422,
        "if_match_invalid",
        Text("If-Match is not a version of the route.", "If-Match не похож на версию маршрута."),
        action=Text("Send the route's ETag.", "Отправьте ETag маршрута."),
        field="If-Match",
    )
