"""Topics on the broker are as declared."""

import asyncio

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import TOPICS
from deploy.stack.services import Surroundings
from deploy.stack.topics import admin, create_topics, declared, describe


async def settings_of(surroundings: Surroundings, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, surroundings.topic_prefix + name)
    async with admin(surroundings.kafka_bootstrap) as client:
        (answer,) = await client.describe_configs([resource])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def becomes(surroundings: Surroundings, name: str, wanted: dict[str, str]) -> bool:
    """Wait until the broker shows these settings: it answers before its own view has followed."""
    async with asyncio.timeout(20):
        while not wanted.items() <= (await settings_of(surroundings, name)).items():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return True


async def test_every_declared_topic_and_its_dead_letters_exist(surroundings: Surroundings) -> None:
    states = await describe(surroundings.kafka_bootstrap, surroundings.topic_prefix)
    assert [state.topic for state in states] == declared()
    assert all(state.partitions for state in states)


async def test_a_setting_changed_by_hand_is_set_back(surroundings: Surroundings) -> None:
    name = "dataset.ready"
    full = surroundings.topic_prefix + name
    async with admin(surroundings.kafka_bootstrap) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, full, {"retention.ms": "1000"})])
    assert await becomes(surroundings, name, {"retention.ms": "1000"})
    await create_topics(surroundings.kafka_bootstrap, surroundings.topic_prefix)
    assert await becomes(surroundings, name, TOPICS[name].config())
