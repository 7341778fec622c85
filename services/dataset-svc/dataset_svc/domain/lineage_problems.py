"""What lineage refuses: what is not known here, and ids and cursors that cannot be."""

from __future__ import annotations

from chassis.errors import Problem, Text
from dataset_svc.domain.lineage import Kind

_KINDS: dict[Kind, tuple[Text, Text]] = {
    "dialog": (
        Text("No such dialog ever came to this dataset service.", "Такой диалог сюда не приходил."),
        Text("Check its id; a dialog is known once it is completed, selected or imported.",
             "Проверьте идентификатор; диалог известен, когда завершён, выбран или импортирован."),
    ),
    "example": (
        Text("There is no such example, and no version holds one.",
             "Такого примера нет, и ни одна версия его не содержит."),
        Text("Check its id; a draft that expired leaves nothing behind.",
             "Проверьте идентификатор; от истёкшего черновика ничего не остаётся."),
    ),
    "version": (
        Text("There is no such dataset version.", "Такой версии датасета нет."),
        Text("Write its id as {dataset_id}:{number}, such as 0190…:3.",
             "Пишите идентификатор как {dataset_id}:{номер}, например 0190…:3."),
    ),
    "run": (
        Text("No such run was asked for here.", "Такой запуск здесь не запрашивали."),
        Text("Check its id; runs are listed on the page of trained models.",
             "Проверьте идентификатор; запуски видны на странице обученных моделей."),
    ),
    "model": (
        Text("No run of these datasets made a model of this name.",
             "Ни один запуск этих датасетов не создал модель с таким именем."),
        Text("Give the name that the provider gave it. Base models and models registered by hand came of no "
             "dataset: training-svc lists them.",
             "Укажите имя, данное провайдером. У базовых моделей и зарегистрированных вручную нет датасета: "
             "их список даёт training-svc."),
    ),
    "activation": (
        Text("No such activation was heard of.", "О таком включении не сообщалось."),
        Text("Check its id, or write {agent_id}:{route_version}; what was just asked for takes a moment.",
             "Проверьте идентификатор или пишите {agent_id}:{версия маршрута}; новое появляется не сразу."),
    ),
}  # fmt: skip


def no_lineage(kind: Kind) -> Problem:
    """Return the 404 of a link of the chain, and where it might be found."""
    detail, action = _KINDS[kind]
    return Problem(404, "not_found", detail, action=action, field="node_id", kind=kind)
