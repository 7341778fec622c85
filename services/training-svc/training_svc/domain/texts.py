"""What owners read about a run that failed or waits for them, by code: what happened, what to do."""

from __future__ import annotations

from chassis.errors import Text

REPLACE_KEY = Text("Replace the key on the keys page.", "Замените ключ на странице ключей.")
FIX_DATASET = Text("Correct the dataset and train again.", "Исправьте датасет и запустите обучение снова.")
TRAIN_AGAIN = Text("Start the training again.", "Запустите обучение снова.")
NOTHING = Text("Nothing to do: it goes on by itself.", "Делать ничего не нужно: продолжится само.")
OTHER_PROVIDER = Text("Train at another provider.", "Обучайте у другого провайдера.")

EXPLANATIONS: dict[str, tuple[Text, Text]] = {
    "key_refused": (Text("The provider refuses the key.", "Провайдер не принимает ключ."), REPLACE_KEY),
    "key_lacks_permission": (
        Text(
            "The key lacks a permission: files and fine-tuning, read and write.",
            "Ключу не хватает прав: файлы и дообучение, чтение и запись.",
        ),
        Text("Give the key these permissions or replace it.", "Дайте ключу эти права или замените его."),
    ),
    "key_missing": (Text("The agent's key is not there.", "Ключа агента нет."), REPLACE_KEY),
    "provider_silent": (Text("The provider does not answer.", "Провайдер не отвечает."), NOTHING),
    "job_missing": (
        Text(
            "The provider no longer shows this training under the key.",
            "Провайдер больше не показывает это обучение.",
        ),
        Text("Check the key's account, or cancel the run.", "Проверьте аккаунт ключа или отмените обучение."),
    ),
    "version_withdrawn": (
        Text("A dialog of this dataset version was erased.", "Диалог из этой версии датасета удалён."),
        Text("Cancel, and train on a new version.", "Отмените и обучите на новой версии."),
    ),
    "provider_unknown": (
        Text(
            "The catalogue does not list this provider or model.",
            "Такого провайдера или модели нет в каталоге.",
        ),
        Text("Choose another base model.", "Выберите другую базовую модель."),
    ),
    "address_incomplete": (
        Text(
            "The provider's address needs a value that is entered with the key.",
            "Адрес провайдера требует значения, которое вводят вместе с ключом.",
        ),
        Text(
            "Enter the key again with the name of your resource.",
            "Введите ключ ещё раз вместе с именем вашего ресурса.",
        ),
    ),
    "duplicate_run": (
        Text("The same training is already running.", "Такое же обучение уже идёт."),
        Text("Wait for it.", "Дождитесь его."),
    ),
    "training_not_available": (
        Text(
            "The provider no longer trains for this organisation: since 2026-05-07 not for new ones, "
            "since 2026-07-02 not without recent use, from 2027-01-06 for nobody.",
            "Провайдер больше не обучает для этой организации: с 2026-05-07 — для новых, "
            "с 2026-07-02 — без недавнего использования, с 2027-01-06 — ни для кого.",
        ),
        OTHER_PROVIDER,
    ),
    "country_not_supported": (
        Text("The provider does not serve this country.", "Провайдер не работает в этой стране."),
        OTHER_PROVIDER,
    ),
    "insufficient_quota": (
        Text("The provider account has no money left.", "На счёте у провайдера нет денег."),
        Text("Top up the account, then train again.", "Пополните счёт и запустите обучение снова."),
    ),
    "limit_exceeded": (
        Text("A limit of the provider account is reached.", "Достигнут лимит аккаунта у провайдера."),
        Text("Raise the limit, then train again.", "Поднимите лимит и запустите обучение снова."),
    ),
    "over_budget": (
        Text("The least cost is above the budget.", "Даже наименьшая цена выше бюджета."),
        Text("Raise the budget or train on less.", "Увеличьте бюджет или обучайте на меньшем."),
    ),
    "price_unknown": (
        Text(
            "The catalogue has no training price for this model, so a budget cannot be kept.",
            "В каталоге нет цены обучения этой модели: бюджет нельзя соблюсти.",
        ),
        Text(
            "Train without a budget, or ask the operators for the price.",
            "Обучайте без бюджета или попросите операторов указать цену.",
        ),
    ),
    "request_refused": (
        Text("The provider refuses these settings.", "Провайдер не принимает эти настройки."),
        Text("Change the settings and train again.", "Измените настройки и запустите снова."),
    ),
    "model_not_available": (
        Text("This base model cannot be trained with this key.", "Эту модель нельзя обучать с этим ключом."),
        Text("Choose another base model.", "Выберите другую базовую модель."),
    ),
    "file_damaged": (
        Text("The frozen dataset file is gone or damaged.", "Файл датасета пропал или повреждён."),
        TRAIN_AGAIN,
    ),
    "invalid_n_examples": (
        Text("Too few examples: at least 10 are needed.", "Слишком мало примеров: нужно хотя бы 10."),
        Text("Add examples and train again.", "Добавьте примеры и запустите снова."),
    ),
    "invalid_file_format": (
        Text("The provider does not accept an example's form.", "Провайдер не принимает форму примера."),
        FIX_DATASET,
    ),
    "invalid_training_file": (
        Text("The provider cannot use the training file.", "Провайдер не может взять файл обучения."),
        TRAIN_AGAIN,
    ),
    "invalid_validation_file": (
        Text("The provider cannot use the validation file.", "Провайдер не может взять файл проверки."),
        TRAIN_AGAIN,
    ),
    "blocked_by_moderation": (
        Text(
            "The provider's moderation blocks the training.", "Модерация провайдера не пропускает обучение."
        ),
        FIX_DATASET,
    ),
    "training_failed": (
        Text("The training failed at the provider.", "Обучение у провайдера не удалось."),
        TRAIN_AGAIN,
    ),
}

DIARY: dict[str, Text] = {
    "job_created": Text("Job created", "Задание создано"),
    "files_validating": Text("Files are being checked", "Файлы проверяются"),
    "files_validated": Text("Files checked, waiting for a place", "Файлы проверены, ждём очереди"),
    "training_started": Text("Training started", "Обучение началось"),
    "step_done": Text("Step done", "Шаг пройден"),
    "checkpoint_made": Text("Checkpoint made", "Сохранена контрольная точка"),
    "model_made": Text("Model made", "Модель создана"),
    "job_paused": Text("Paused", "Приостановлено"),
    "job_resumed": Text("Resumed", "Возобновлено"),
    "job_completed": Text("Training completed", "Обучение завершено"),
    "job_cancelled": Text("Cancelled", "Отменено"),
    "provider_note": Text("A note of the provider", "Сообщение провайдера"),
}


def explain(code: str) -> tuple[Text, Text]:
    """Return what happened and what to do, for a code of ours."""
    return EXPLANATIONS.get(code, EXPLANATIONS["training_failed"])
