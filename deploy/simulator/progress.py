"""What a job tells of itself while it goes on: events, metrics, checkpoints, the result file."""

import hashlib
import math
from dataclasses import dataclass

from deploy.simulator import lifecycle
from deploy.simulator.accounts import Account
from deploy.simulator.records import Job

CHECKPOINTS_KEPT = 3
VALIDATE_EVERY = 10


@dataclass(frozen=True, slots=True)
class _Event:
    at: float
    message: str
    level: str = "info"
    data: dict[str, object] | None = None


def model_name(job: Job) -> str:
    """The name of the model that a job makes, in the form of the server that it was asked from."""
    return job.tuned_name.format(
        base=job.base, organisation=Account(job.account).slug, suffix=job.suffix or "", id=job.id[-8:]
    )


def _noise(job: Job, step: int) -> float:
    digest = hashlib.sha256(f"{job.id}/{job.seed}/{step}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 - 0.5


def train_loss(job: Job, step: int) -> float:
    """A falling curve with some noise, the same at every look."""
    done = step / job.plan.total_steps
    return round(max(0.01, 0.3 + 1.9 * math.exp(-4 * done) + 0.2 * _noise(job, step)), 4)


def _accuracy(loss: float) -> float:
    return round(math.exp(-loss / 2), 4)


def metrics(job: Job, step: int) -> dict[str, float]:
    """The figures of one step; validation figures every ten steps and at the end of an epoch."""
    loss = train_loss(job, step)
    found = {"step": float(step), "train_loss": loss, "train_mean_token_accuracy": _accuracy(loss)}
    if job.validation_file is None:
        return found
    epoch_ends = step % job.plan.steps_per_epoch == 0
    if step % VALIDATE_EVERY == 0 or epoch_ends:
        valid = round(loss * 1.08 + 0.02, 4)
        found |= {"valid_loss": valid, "valid_mean_token_accuracy": _accuracy(valid)}
        if epoch_ends:
            found |= {"full_valid_loss": valid, "full_valid_mean_token_accuracy": _accuracy(valid)}
    return found


def checkpoint_steps(job: Job) -> list[int]:
    """The last step of each of the last three epochs."""
    first = max(1, job.plan.n_epochs - CHECKPOINTS_KEPT + 1)
    return [epoch * job.plan.steps_per_epoch for epoch in range(first, job.plan.n_epochs + 1)]


def _step_events(job: Job, now: float) -> list[_Event]:
    kept, total, found = set(checkpoint_steps(job)), job.plan.total_steps, []
    for step in range(1, lifecycle.steps_done(job, now) + 1):
        at = lifecycle.wall(job, lifecycle.step_offset(job, step))
        figures = metrics(job, step)
        data: dict[str, object] = {**figures, "step": step, "total_steps": total}
        found.append(_Event(at, f"Step {step}/{total}: training loss={figures['train_loss']:.2f}", data=data))
        if step in kept:
            found.append(_Event(at, f"Checkpoint created at step {step}"))
    return found


def _stage_events(job: Job, now: float) -> list[_Event]:
    done, stages = lifecycle.elapsed(job, now), job.stages
    found = [
        _Event(job.created_at, f"Created fine-tuning job: {job.id}"),
        _Event(job.created_at, f"Validating training file: {job.training_file}"),
    ]
    if done >= stages.validating:
        at = lifecycle.wall(job, stages.validating)
        if job.error:
            return [*found, _Event(at, job.error.message, level="error")]
        found.append(_Event(at, "Files validated, moving job to queued state"))
    if done >= stages.validating + stages.queued:
        at = lifecycle.wall(job, stages.validating + stages.queued)
        found.append(_Event(at, "Fine-tuning job started"))
    return found


def _control_events(job: Job, now: float) -> list[_Event]:
    found = []
    for start, stop in job.pauses:
        found.append(_Event(start, "Fine-tuning job paused"))
        if stop is not None and job.cancelled_at != stop:
            found.append(_Event(stop, "Fine-tuning job resumed"))
    status, end = lifecycle.status(job, now), lifecycle.finished_at(job, now)
    if status == "succeeded" and end is not None:
        found.append(_Event(end, f"New fine-tuned model created: {model_name(job)}"))
        found.append(_Event(end, "The job has successfully completed"))
    if status == "cancelled" and end is not None:
        found.append(_Event(end, "Fine-tuning job cancelled"))
    return found


def events(job: Job, now: float) -> list[dict[str, object]]:
    """The events so far, newest first, with ids that stay."""
    all_of_them = [*_stage_events(job, now), *_step_events(job, now), *_control_events(job, now)]
    all_of_them.sort(key=lambda event: event.at)
    shown: list[dict[str, object]] = [
        {
            "object": "fine_tuning.job.event",
            "id": "ftevent-"
            + hashlib.sha256(f"{job.id}/{event.at}/{event.message}".encode()).hexdigest()[:24],
            "created_at": int(event.at),
            "level": event.level,
            "message": event.message,
            "type": "metrics" if event.data else "message",
            "data": event.data or {},
        }
        for event in all_of_them
    ]
    return shown[::-1]


def checkpoints(job: Job, now: float) -> list[dict[str, object]]:
    """The checkpoints so far, newest first."""
    done = lifecycle.steps_done(job, now)
    return [
        {
            "object": "fine_tuning.job.checkpoint",
            "id": f"ftckpt_{job.id.removeprefix('ftjob-')}{step}",
            "created_at": int(lifecycle.wall(job, lifecycle.step_offset(job, step))),
            "fine_tuned_model_checkpoint": f"{model_name(job)}:ckpt-step-{step}",
            "fine_tuning_job_id": job.id,
            "metrics": metrics(job, step),
            "step_number": step,
        }
        for step in reversed(checkpoint_steps(job))
        if step <= done
    ]


def result_csv(job: Job) -> str:
    """The result file: a line a step, blanks where a figure was not measured."""
    lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
    for step in range(1, job.plan.total_steps + 1):
        found = metrics(job, step)
        figures = (
            step,
            found["train_loss"],
            found["train_mean_token_accuracy"],
            found.get("valid_loss", ""),
            found.get("valid_mean_token_accuracy", ""),
        )
        lines.append(",".join(str(figure) for figure in figures))
    return "\n".join(lines) + "\n"
