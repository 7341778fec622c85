"""Each code with what happened and what to do; `{param}` stands for the field or scope that is at fault."""

from __future__ import annotations

from chassis.errors import Text

REPLACE_KEY = Text("Replace the key on the keys page.", "Замените ключ на странице ключей.")
FIX_DATASET = Text("Correct the dataset and train again.", "Исправьте датасет и запустите обучение снова.")
TRAIN_AGAIN = Text("Start the training again.", "Запустите обучение снова.")
NOTHING = Text("Nothing to do: it goes on by itself.", "Делать ничего не нужно: продолжится само.")
OTHER_PROVIDER = Text("Train at another provider.", "Обучайте у другого провайдера.")
CHANGE_SETTINGS = Text("Change the settings and train again.", "Измените настройки и запустите снова.")
OTHER_MODEL = Text("Choose another base model.", "Выберите другую базовую модель.")
TOP_UP = Text("Top up the account, then train again.", "Пополните счёт и запустите обучение снова.")

EXPLANATIONS: dict[str, tuple[Text, Text]] = {
    "key_refused": (Text("The provider refuses the key.", "Провайдер не принимает ключ."), REPLACE_KEY),
    "key_lacks_permission": (
        Text(
            "The key lacks a permission{param}: it needs files and fine-tuning, read and write.",
            "Ключу не хватает прав{param}: нужны файлы и дообучение, чтение и запись.",
        ),
        Text("Give the key these permissions or replace it.", "Дайте ключу эти права или замените его."),
    ),
    "key_missing": (Text("The agent's key is not there.", "Ключа агента нет."), REPLACE_KEY),
    "provider_silent": (Text("The provider does not answer.", "Провайдер не отвечает."), NOTHING),
    "run_stuck": (
        Text("An unexpected error holds this training up.", "Обучению мешает непредвиденная ошибка."),
        Text(
            "It is tried again by itself; if this lasts, tell the operators.",
            "Попытки продолжаются сами; если это надолго, сообщите операторам.",
        ),
    ),
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
            "The provider no longer trains for this account.",
            "Провайдер больше не обучает для этого аккаунта.",
        ),
        OTHER_PROVIDER,
    ),
    "country_not_supported": (
        Text("The provider does not serve this country.", "Провайдер не работает в этой стране."),
        OTHER_PROVIDER,
    ),
    "insufficient_quota": (
        Text(
            "The provider account's quota is used up, or it has no money left.",
            "Квота аккаунта у провайдера исчерпана, или на счёте нет денег.",
        ),
        TOP_UP,
    ),
    "credit_balance_exhausted": (
        Text(
            "The prepaid credit of the provider account is used up.",
            "Предоплаченные средства на счёте у провайдера закончились.",
        ),
        TOP_UP,
    ),
    "limit_exceeded": (
        Text(
            "A limit of the provider account is reached{param}.",
            "Достигнут лимит аккаунта у провайдера{param}.",
        ),
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
        Text("The provider refuses these settings{param}.", "Провайдер не принимает эти настройки{param}."),
        CHANGE_SETTINGS,
    ),
    "hyperparameter_refused": (
        Text(
            "A setting is outside what this model allows{param}.",
            "Настройка выходит за пределы, допустимые для этой модели{param}.",
        ),
        CHANGE_SETTINGS,
    ),
    "method_not_available": (
        Text("The provider does not offer this method of training.", "Провайдер не обучает этим методом."),
        CHANGE_SETTINGS,
    ),
    "validation_not_supported": (
        Text("The provider takes no validation file.", "Провайдер не принимает файл проверки."),
        Text(
            "Freeze the dataset without a share to validate, and train again.",
            "Зафиксируйте датасет без доли для проверки и запустите снова.",
        ),
    ),
    "own_model_not_supported": (
        Text(
            "The provider does not train on from a trained model.",
            "Провайдер не продолжает обучение уже обученной модели.",
        ),
        OTHER_MODEL,
    ),
    "file_too_large": (
        Text("The file is larger than the provider takes.", "Файл больше, чем принимает провайдер."),
        Text("Train on fewer examples.", "Обучайте на меньшем числе примеров."),
    ),
    "files_settling": (
        Text("The provider is processing the files.", "Провайдер обрабатывает файлы."),
        NOTHING,
    ),
    "provider_busy": (Text("The provider asks to wait.", "Провайдер просит подождать."), NOTHING),
    "model_not_available": (
        Text("This base model cannot be trained with this key.", "Эту модель нельзя обучать с этим ключом."),
        Text("Choose another base model.", "Выберите другую базовую модель."),
    ),
    "file_damaged": (
        Text("The frozen dataset file is gone or damaged.", "Файл датасета пропал или повреждён."),
        TRAIN_AGAIN,
    ),
    "invalid_n_examples": (
        Text("The provider wants more examples.", "Провайдеру нужно больше примеров."),
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
    "safety_check_failed": (
        Text(
            "The trained model did not pass the provider's safety check.",
            "Обученная модель не прошла проверку безопасности у провайдера.",
        ),
        FIX_DATASET,
    ),
    "provider_failed": (
        Text(
            "The provider broke the training off by a fault of its own.",
            "Провайдер прервал обучение из-за своего сбоя.",
        ),
        TRAIN_AGAIN,
    ),
    "training_failed": (
        Text("The training failed at the provider.", "Обучение у провайдера не удалось."),
        TRAIN_AGAIN,
    ),
}
