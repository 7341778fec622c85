"""What agent-svc refuses, in the owner's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def etag(version: int) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def agent_changed(version: int, changes: Sequence[dict[str, Any]]) -> Problem:
    """Return the 412 that names who changed the agent since the caller read it."""
    return Problem(
        412,
        "agent_changed",
        Text("Somebody changed this agent meanwhile.", "Этого агента тем временем изменили."),
        action=Text("Read it again and repeat your change.", "Прочитайте его заново и повторите правку."),
        field="If-Match",
        headers={"ETag": etag(version)},
        changes=list(changes),
    )


def agent_exists() -> Problem:
    """Return the 412 for an agent that should be new and is not."""
    return Problem(
        412,
        "agent_exists",
        Text("There is an agent with this id.", "Агент с таким идентификатором уже есть."),
        action=Text(
            "Choose another id, or change that one.",
            "Выберите другой идентификатор или измените того агента.",
        ),
        field="If-None-Match",
    )


def if_match_unusable() -> Problem:
    """Return the refusal of a change that does not say what it was made on."""
    return Problem(
        428,
        "if_match_required",
        Text("The request carries no usable If-Match.", "В запросе нет годного If-Match."),
        action=Text("Send the ETag that you read.", "Пришлите прочитанный ETag."),
        field="If-Match",
    )


def key_not_taken() -> Problem:
    """Return the 422 for a pasted key that its provider refuses."""
    return Problem(
        422,
        "key_refused",
        Text("The provider does not take this key.", "Провайдер не принимает этот ключ."),
        action=Text(
            "Copy the key again from the provider's page, whole.",
            "Скопируйте ключ со страницы провайдера ещё раз, целиком.",
        ),
        field="key",
    )


def address_incomplete(names: Sequence[str]) -> Problem:
    """Return the 422 for a key without exactly the values that its provider's address needs."""
    needed = ", ".join(names)
    needs = Text(
        f"The provider's address needs the values {needed}.",
        f"Адресу провайдера нужны значения: {needed}.",
    )
    none = Text("The provider's address needs no values.", "Адресу провайдера не нужны значения.")
    return Problem(
        422,
        "address_incomplete",
        needs if names else none,
        action=Text("Send exactly these in variables.", "Пришлите в variables ровно их."),
        field="variables",
        variables=list(names),
    )


def models_would_stop(models: Sequence[str], *, other_organisation: bool) -> Problem:
    """Return the 409 for a key by which models in service would stop answering; it names them."""
    names = ", ".join(models)
    whose = Text("The key is of another organisation.", "Этот ключ принадлежит другой организации.")
    what = Text(f"These models stop answering: {names}.", f"Перестанут отвечать модели: {names}.")
    parts = [*([whose] if other_organisation else []), *([what] if models else [])]
    return Problem(
        409,
        "models_would_stop",
        Text(" ".join(one.en for one in parts), " ".join(one.ru for one in parts)),
        action=Text(
            "Send the key again with these models in accept_loss, or paste one of the same organisation.",
            "Отправьте ключ ещё раз с этими моделями в accept_loss или вставьте ключ той же организации.",
        ),
        field="key",
        models=list(models),
        other_organisation=other_organisation,
    )


def bad_function_name(path: str, *, twice: bool) -> Problem:
    """Return the 422 for a function whose name providers refuse, or that another one has."""
    if twice:
        what = Text("Two functions have this name.", "У двух функций одно имя.")
    else:
        what = Text(
            "A function's name has 1 to 64 letters, digits, _ and -.",
            "Имя функции — от 1 до 64 латинских букв, цифр, _ и -.",
        )
    return Problem(
        422, "function_name_invalid", what, field=path,
        action=Text("Give the function another name.", "Дайте функции другое имя."),
    )  # fmt: skip


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
            f"Маршрут уже изменён: сейчас версия {version}, автор {by or '—'}.",
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
        Text("No other model served this agent before.", "До этого у агента не было другой модели."),
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
