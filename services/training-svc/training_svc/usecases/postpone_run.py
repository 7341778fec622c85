"""What becomes of a run when the provider did not do what was asked: later, the owner's turn, or the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chassis import observability as seen
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from chassis.errors import describe, is_transient, where
from contracts.training import KeyRefused
from training_svc.domain.errors import (
    BusyError,
    KeyRefusedError,
    MissingError,
    NoAnswerError,
    ProviderError,
    UnforeseenError,
    WaitsForOwnerError,
)
from training_svc.domain.run import Run, failed, needs
from training_svc.domain.texts import closing_words
from training_svc.settings import TrainingSettings
from training_svc.usecases.hold import Hold

SILENT_AFTER = 5
LONGEST_BACKOFF = 60.0
MOST_DOUBLINGS = 10
SOON = 1.0
TIDY_TRIES = 5


async def postpone_run(
    hold: Hold, error: Exception, settings: TrainingSettings, catalogue: Catalogue
) -> None:
    """Record why the run does not go on now, and when it is tried again."""
    if not isinstance(error, ProviderError):
        error = _unforeseen(hold, error)
    seen.log().warning(
        "run_postponed",
        run_id=hold.run.request.run_id,
        step=hold.run.step,
        error=describe(error),
        at=where(error),
    )
    if hold.run.is_final:
        await hold.record(_tried_to_tidy, due_in=None if hold.run.failures >= TIDY_TRIES else 30.0)
    elif isinstance(error, BusyError):
        await hold.record(lambda run, _: run, due_in=max(error.retry_after, settings.follow_fast))
    elif isinstance(error, NoAnswerError):
        code, pause = error.code, max(error.retry_after, _backoff(hold.run.failures))
        await hold.record(lambda run, now: _silent(run, code, now), due_in=pause)
    elif hold.run.step in {"following", "confirming"} or isinstance(
        error, KeyRefusedError | WaitsForOwnerError
    ):
        await _wait_for_owner(hold, error, settings)
    else:
        await hold.record(
            lambda run, now: failed(
                run, _why(error), error.param, now=now, words=_words(error, run, catalogue, now)
            )
        )


def _unforeseen(hold: Hold, error: Exception) -> ProviderError:
    """Return what stands for an error nobody thought of, so that it holds up no run but its own.

    One that passes by itself (a lost database) is raised: it is no fault of the run's.
    """
    if is_transient(error):
        raise error
    run_id, step = hold.run.request.run_id, hold.run.step
    seen.log().error("run_stuck", run_id=run_id, step=step, error=describe(error), at=where(error))
    return UnforeseenError()


async def _wait_for_owner(hold: Hold, error: ProviderError, settings: TrainingSettings) -> None:
    known = hold.run.attention is not None and hold.run.attention.code == error.code
    request, version = hold.run.request, hold.run.key_version or 1

    async def tell(transaction: Transaction, now: datetime) -> None:
        if isinstance(error, KeyRefusedError) and not known:
            event = KeyRefused(
                key_id=request.key_id, version=version, code=error.code, param=error.param, at=now
            )
            transaction.publish(event, tenant=request.tenant)

    # a key that has not been heard of yet is most likely on its way
    young = hold.run.key_version is None and hold.run.poll_no < 30  # noqa: PLR2004
    pause = min(settings.follow_fast, SOON) if young else settings.attention_interval
    await hold.record(
        lambda run, now: run if young else needs(run, error.code, now, error.param), due_in=pause, also=tell
    )


def _why(error: ProviderError) -> str:
    return "request_refused" if isinstance(error, MissingError) else error.code


def _words(error: ProviderError, run: Run, catalogue: Catalogue, now: datetime) -> dict[str, str] | None:
    """Return what the catalogue adds to the code: since when this provider does not train, and who does."""
    entry = catalogue.provider(run.request.provider)
    if error.code != "training_not_available" or entry is None:
        return None
    return closing_words(entry, now.date(), catalogue.still_training(now.date()))


def _backoff(failures: int) -> float:
    """Return the seconds until the next try; a provider that is away for days must not overflow it."""
    return min(0.5 * 2.0 ** min(failures, MOST_DOUBLINGS), LONGEST_BACKOFF)


def _silent(run: Run, code: str, now: datetime) -> Run:
    run = replace(run, failures=run.failures + 1)
    return needs(run, code, now) if run.failures >= SILENT_AFTER and not run.attention else run


def _tried_to_tidy(run: Run, now: datetime) -> Run:  # noqa: ARG001 -- the form of a change
    tries = run.failures + 1
    return replace(run, failures=tries, litter=tries <= TIDY_TRIES)
