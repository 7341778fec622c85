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


def nothing_to_roll_back() -> Problem:
    """Return the 409 for a rollback before any activation."""
    return Problem(
        409,
        "nothing_to_roll_back",
        Text("No other model served this agent before.", "До этого агенту не служила другая модель."),
        action=Text("Choose a model and press ▶.", "Выберите модель и нажмите ▶."),
    )


def provider_refused(status: int) -> Problem:
    """Return the problem for a provider that refused or did not answer; its own text stays with us."""
    if status == 401:  # noqa: PLR2004
        return Problem(
            502,
            "provider_key_refused",
            Text("The provider refused the key.", "Провайдер не принял ключ."),
            action=Text(
                "Paste a valid key on the agent's page.", "Вставьте действующий ключ на странице агента."
            ),
        )
    if status == 429:  # noqa: PLR2004
        return Problem(
            429,
            "provider_busy",
            Text("The provider asks to slow down.", "Провайдер просит подождать."),
            action=Text("Try again in a moment.", "Повторите чуть позже."),
        )
    code = {400: "provider_rejected_request", 404: "model_not_available"}.get(status, "provider_unavailable")
    return Problem(
        400 if status == 400 else 502,  # noqa: PLR2004
        code,
        Text("The provider did not answer this request.", "Провайдер не ответил на этот запрос."),
        action=Text("Check the model and try again.", "Проверьте модель и повторите."),
    )
