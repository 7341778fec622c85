"""The lines of a run's diary, by code, in both languages."""

from __future__ import annotations

from chassis.errors import Text

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

WISH_RESULTS: dict[str, Text] = {
    "done": Text("The provider did what was asked.", "Провайдер выполнил просьбу."),
    "too_late": Text(
        "The training had ended before the provider could do it.",
        "Обучение закончилось раньше, чем провайдер успел это сделать.",
    ),
}
