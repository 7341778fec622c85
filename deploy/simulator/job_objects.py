"""How jobs are shown, and what they leave behind."""

from dataclasses import asdict

from deploy.simulator import lifecycle, progress
from deploy.simulator.accounts import Account
from deploy.simulator.poses import Pose
from deploy.simulator.records import FileRecord, Job, ModelRecord
from deploy.simulator.wire import Simulator


def result_file_id(job: Job) -> str:
    """The id of the file that a succeeded job leaves."""
    return "file-" + job.id.removeprefix("ftjob-")


def settle(sim: Simulator, account: Account) -> None:
    """Bring about what jobs that ended by now leave behind: the result file and the model."""
    now = sim.clock()
    for job in sim.store.unsettled_jobs(account.id):
        status, end = lifecycle.status(job, now), lifecycle.finished_at(job, now)
        if end is None:
            continue
        if status == "succeeded":
            file_id, content = result_file_id(job), progress.result_csv(job).encode()
            sim.store.blob(file_id).write_bytes(content)
            sim.store.add_file(
                FileRecord(
                    file_id, account.id, "step_metrics.csv", "fine-tune-results", len(content), int(end)
                )
            )
            sim.store.add_model(ModelRecord(progress.model_name(job), account.id, job.id, int(end)))
        sim.store.settle_job(job.id)


def job_object(job: Job, now: float, pose: Pose | None = None) -> dict[str, object]:
    """A job as the API shows it, or as the one that the simulator poses as does."""
    shown, pose = _job_object(job, now), pose or Pose()
    if not pose.nested:
        del shown["method"]
    if pose.metadata == "dropped":
        del shown["metadata"]
    if not pose.result_files:
        shown["result_files"] = []
    if pose.odd:
        shown |= {"error": shown["error"] or {}, "usage_metrics": None, "progress": {"percent": 0}}
    return shown


def _job_object(job: Job, now: float) -> dict[str, object]:
    status, end, plan = lifecycle.status(job, now), lifecycle.finished_at(job, now), job.plan
    succeeded, running = status == "succeeded", status == "running"
    checked = job.error is None and lifecycle.elapsed(job, now) >= job.stages.validating
    hyperparameters: dict[str, object] = dict(job.asked)
    if checked:
        hyperparameters = {name: getattr(plan, name) for name in job.asked}
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": job.model,
        "created_at": int(job.created_at),
        "finished_at": None if end is None else int(end),
        "fine_tuned_model": progress.model_name(job) if succeeded else None,
        "organization_id": Account(job.account).organisation,
        "result_files": [result_file_id(job)] if succeeded else [],
        "status": status,
        "validation_file": job.validation_file,
        "training_file": job.training_file,
        "hyperparameters": hyperparameters,
        "trained_tokens": plan.trained_tokens if succeeded else None,
        "error": asdict(job.error) if status == "failed" and job.error else None,
        "seed": job.seed,
        "estimated_finish": int(lifecycle.wall(job, lifecycle.work_length(job))) if running else None,
        "integrations": [],
        "metadata": job.metadata,
        "user_provided_suffix": job.suffix,
        "method": {"type": job.method, job.method: {"hyperparameters": hyperparameters}},
    }
