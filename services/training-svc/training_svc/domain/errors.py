"""What can go wrong at a provider, and what training-svc refuses."""

from __future__ import annotations

from chassis.errors import Permanent, Problem, ServiceError, Text, Transient, not_found

STATUSES = {
    "unknown": "неизвестно",
    "waiting": "ожидание",
    "training": "обучение",
    "paused": "пауза",
    "ready": "готово",
    "failed": "ошибка",
    "cancelled": "отменено",
}
"""What the states of a run are called in Russian."""


class ProviderError(ServiceError):
    """The provider did not do what was asked; `code` is ours, never the provider's words."""

    def __init__(self, code: str, param: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.param = param


class KeyRefusedError(ProviderError, Permanent):
    """The provider refuses the key."""


class RefusedError(ProviderError, Permanent):
    """The provider refuses the request, and would again."""


class MissingError(ProviderError, Permanent):
    """The provider has no such file or job."""


class BusyError(ProviderError, Transient):
    """The provider asks to come back later; it did nothing. `retry_after` in seconds."""

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code)
        self.retry_after = retry_after


class NoAnswerError(ProviderError, Transient):
    """No answer, or one that says nothing: the request may or may not have had its effect."""

    def __init__(self, code: str = "provider_silent", retry_after: float = 0.0) -> None:
        super().__init__(code)
        self.retry_after = retry_after


class UnforeseenError(NoAnswerError):
    """Something nobody thought of keeps this one run from going on: it is tried again, ever more seldom."""

    def __init__(self) -> None:
        super().__init__("run_stuck")


class WaitsForOwnerError(ProviderError, Permanent):
    """The run cannot go on before its owner does something."""


def no_run() -> Problem:
    """Return the 404 for a run that is not there."""
    return not_found(Text("training run", "обучение"), "run_id")


def no_model() -> Problem:
    """Return the 404 for a model that is not there."""
    return not_found(Text("trained model", "обученная модель"), "model_id")


def no_agent() -> Problem:
    """Return the 404 for an agent that is not there."""
    return not_found(Text("agent", "агент"), "agent_id")


def no_base_model() -> Problem:
    """Return the 404 for a base model that the catalogue does not list."""
    return not_found(Text("base model in the catalogue", "базовая модель в каталоге"), "base_model")


def already_final(status: str) -> Problem:
    """Return the 409 for a change to a run that has ended."""
    return Problem(
        409,
        "run_has_ended",
        Text(
            f"This run has already ended: {status}.",
            f"Это обучение уже закончилось: {STATUSES.get(status, status)}.",
        ),
        action=Text("Start a new training.", "Начните новое обучение."),
    )


def pause_not_supported() -> Problem:
    """Return the 409 for a pause at a provider that does not pause."""
    return Problem(
        409,
        "pause_not_supported",
        Text("This provider does not pause trainings.", "Этот провайдер не приостанавливает обучение."),
        action=Text("Let it go on, or cancel it.", "Дайте ему закончиться или отмените."),
    )


def cancel_asked() -> Problem:
    """Return the 409 for a wish about a run that is to be cancelled."""
    return Problem(
        409,
        "cancel_asked",
        Text("This run is to be cancelled already.", "Это обучение уже отменяется."),
        action=Text("Wait until it is cancelled.", "Дождитесь отмены."),
    )


def not_paused(status: str) -> Problem:
    """Return the 409 for resuming a run that is not paused."""
    return Problem(
        409,
        "run_not_paused",
        Text(
            f"This run is not paused: {status}.",
            f"Это обучение не приостановлено: {STATUSES.get(status, status)}.",
        ),
        action=Text("Nothing to do: it goes on by itself.", "Делать ничего не нужно: оно идёт."),
    )


def not_ready(status: str) -> Problem:
    """Return the 409 for a model that is not trained yet."""
    return Problem(
        409,
        "model_not_ready",
        Text(f"This model is not ready: {status}.", f"Эта модель не готова: {STATUSES.get(status, status)}."),
        action=Text("Wait until the training is done.", "Дождитесь конца обучения."),
    )


def route_changed(version: int) -> Problem:
    """Return the 409 for an activation by someone who saw an older route."""
    return Problem(
        409,
        "route_changed",
        Text(
            f"What serves this agent has changed meanwhile (version {version}).",
            f"Тем временем у агента сменилась модель (версия {version}).",
        ),
        action=Text("Look at the present state and decide again.", "Посмотрите, что работает сейчас."),
        field="expected_route_version",
        route_version=version,
    )


def model_known() -> Problem:
    """Return the 409 for a model that the agent has already."""
    return Problem(
        409,
        "model_known",
        Text("The agent has this model already.", "У агента уже есть эта модель."),
        action=Text("Find it among the models.", "Найдите её среди моделей."),
        field="model",
    )


def provider_answers_nothing() -> Problem:
    """Return the 422 for a provider that the catalogue lacks, or at which no model answers."""
    return Problem(
        422,
        "provider_unknown",
        Text("No model answers at this provider.", "У этого провайдера нет отвечающих моделей."),
        action=Text("Name the provider where the model runs.", "Укажите провайдера, где работает модель."),
        field="provider",
    )


def file_gone(part: str) -> Problem:
    """Return the 404 for a file that the run has not, or no longer."""
    return Problem(
        404,
        "file_gone",
        Text(f"The {part} file is not there.", "Этого файла нет."),
        action=Text("Freeze the dataset again.", "Зафиксируйте датасет ещё раз."),
        field="part",
    )


def bad_fallback() -> Problem:
    """Return the 422 for a fallback that is the model itself or another agent's."""
    return Problem(
        422,
        "fallback_unusable",
        Text(
            "The fallback must be another model of the same agent.",
            "Запасной должна быть другая модель того же агента.",
        ),
        action=Text(
            "Choose another model, or none for the base model.", "Выберите другую модель или базовую."
        ),
        field="fallback_model_id",
    )


def no_key() -> Problem:
    """Return the 409 for an agent without a key at the provider."""
    return Problem(
        409,
        "key_missing",
        Text("The agent has no key for this provider.", "У агента нет ключа этого провайдера."),
        action=Text("Add a key on the keys page.", "Добавьте ключ на странице ключей."),
    )


def no_webhook() -> Problem:
    """Return the 404 for a webhook that is not there."""
    return not_found(Text("webhook", "вебхук"), "hook_id")


def no_webhooks_there() -> Problem:
    """Return the 422 for a provider that reports nothing."""
    return Problem(
        422,
        "provider_without_webhooks",
        Text("This provider sends no reports.", "Этот провайдер не присылает уведомлений."),
        action=Text(
            "Nothing is needed: its jobs are looked at all the time.",
            "Ничего делать не нужно: за его заданиями и так следят.",
        ),
        field="provider",
    )


def too_many_webhooks(most: int) -> Problem:
    """Return the 409 for one webhook more than a tenant may have."""
    return Problem(
        409,
        "too_many_webhooks",
        Text(f"There are {most} webhooks already.", f"Вебхуков уже {most}."),
        action=Text("Remove one that is not used.", "Удалите ненужный."),
    )


def bad_secret() -> Problem:
    """Return the 422 for a signing secret of another form."""
    return Problem(
        422,
        "secret_malformed",
        Text("This is not a signing secret.", "Это не секрет для подписи."),
        action=Text(
            "Copy it from the provider's webhook page: it begins with whsec_.",
            "Скопируйте его со страницы вебхука у провайдера: он начинается с whsec_.",
        ),
        field="secret",
    )


def report_not_signed() -> Problem:
    """Return the 401 for a report that nobody known has signed; it does not say why, on purpose."""
    return Problem(
        401,
        "report_not_signed",
        Text("The report is not signed for this address.", "Уведомление не подписано для этого адреса."),
        action=Text("Check the address and the signing secret.", "Проверьте адрес и секрет для подписи."),
    )


def bad_report() -> Problem:
    """Return the 422 for a signed report that names no job."""
    return Problem(
        422,
        "report_malformed",
        Text("The report names no job.", "В уведомлении нет задания."),
        action=Text("Send {data: {id}}.", "Пришлите {data: {id}}."),
        field="data.id",
    )
