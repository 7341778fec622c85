"""The boards: the loop as a whole, one per service, and one per thing that is watched by itself."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.events import boxes, kafka
from deploy.monitoring.boards.gateway import gateway
from deploy.monitoring.boards.loop import loop
from deploy.monitoring.boards.service import service
from deploy.monitoring.boards.training import cost, runs
from deploy.stack.services import ALL


def boards() -> dict[str, Dashboard]:
    """Every board by the name of its file."""
    single = {"loop": loop, "kafka": kafka, "boxes": boxes, "runs": runs, "gateway": gateway, "cost": cost}
    return {name: make() for name, make in single.items()} | {one.name: service(one.name) for one in ALL}
