"""Bring a run's files to the provider: found by their name, or uploaded under this epoch's."""

from __future__ import annotations

from chassis.objects import ObjectStore
from training_svc.domain.run import Run, TrainingFile, file_name, file_prefix, is_copy_of
from training_svc.outbound.frozen_file import frozen_chunks, frozen_file
from training_svc.outbound.provider import Provider, ProviderFile


async def upload_files(run: Run, provider: Provider, objects: ObjectStore) -> tuple[str, str | None]:
    """Return the ids of the training and the validation file at the provider."""
    request = run.request
    there = await provider.files(file_prefix(run))
    training = await _ensure(run, request.training, there, provider, objects)
    if request.validation is None:
        return training, None
    if request.validation.sha256 == request.training.sha256:
        return training, training
    return training, await _ensure(run, request.validation, there, provider, objects)


async def _ensure(
    run: Run, file: TrainingFile, there: list[ProviderFile], provider: Provider, objects: ObjectStore
) -> str:
    for one in there:
        if is_copy_of(one.name, run, file):
            return one.id
    tenant, name = run.request.tenant, file_name(run, file)
    if provider.in_parts(file):
        return await provider.upload_in_parts(name, file, frozen_chunks(objects, tenant, file))
    async with frozen_file(objects, tenant, file) as content:
        return await provider.upload(name, content)


async def remove_files(run: Run, provider: Provider) -> None:
    """Delete everything that the run ever uploaded: a create that names such a file is then refused."""
    for file in await provider.files(file_prefix(run)):
        await provider.delete_file(file.id)
