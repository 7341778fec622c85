"""All SQL of the census: agents by base model, what keys can do, what is out, what ends soon."""

from __future__ import annotations

from datetime import timedelta

from chassis.census import Figures
from chassis.database import Connection


async def agents(connection: Connection) -> Figures:
    """Return how many agents there are, by (provider, base model) as their owners named them."""
    rows = await connection.fetch(
        """
        SELECT v.definition ->> 'provider' AS provider, v.definition ->> 'base_model' AS base_model,
               count(*) AS agents
        FROM agents a JOIN agent_versions v USING (tenant_id, agent_id, version)
        GROUP BY 1, 2
        """
    )
    return {(row["provider"], row["base_model"]): row["agents"] for row in rows}


async def keys(connection: Connection) -> Figures:
    """Return how many provider keys are in use, by (provider, use, state): yes, no or unverified."""
    rows = await connection.fetch(
        """
        SELECT provider, use, state, count(*) AS keys
        FROM keys, LATERAL (VALUES ('training', training), ('answers', infer)) AS can (use, state)
        WHERE unbound_at IS NULL
        GROUP BY 1, 2, 3
        """
    )
    return {(row["provider"], row["use"], row["state"]): row["keys"] for row in rows}


async def outages(connection: Connection) -> Figures:
    """Return how many models are out and answered for by a fallback, by (provider)."""
    rows = await connection.fetch("SELECT provider, count(*) AS outages FROM outages GROUP BY 1")
    return {(row["provider"],): row["outages"] for row in rows}


async def agents_on_ending_models(connection: Connection, ahead: timedelta) -> Figures:
    """Return how many agents are served by a model that ends within `ahead`, by (provider)."""
    rows = await connection.fetch(
        """
        SELECT w.provider, count(DISTINCT (w.tenant_id, w.agent_id)) AS agents
        FROM retirement_warnings w JOIN route_heads h USING (tenant_id, agent_id)
        WHERE w.ends_on <= current_date + $1::interval
          AND jsonb_path_exists(h.effective, '$.targets[*] ? (@.model == $model)',
                                jsonb_build_object('model', w.model))
        GROUP BY 1
        """,
        ahead,
    )
    return {(row["provider"],): row["agents"] for row in rows}
