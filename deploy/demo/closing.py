"""The demo's last words: where everything answers, and what to try next."""

import json
import os
import shlex
from urllib.parse import quote

from deploy.demo.places import Places
from deploy.demo.script import Script
from deploy.demo.show import Show
from deploy.issuer.people import PEOPLE
from deploy.stack.services import CONSOLE, SERVICES

REPEATED = ("MORTARBOARD_RUN", "MORTARBOARD_PORT_OFFSET")
"""Settings that the commands to try next need too."""
READ_ANSWER = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""


def try_next(places: Places, tenant: str, script: Script, show: Show) -> None:
    """Print the addresses, and commands for another terminal."""
    show.line()
    show.line("Everything runs until Ctrl-C:", "bold")
    console = (
        f"  {CONSOLE.name:13} {places.urls[CONSOLE.name]}   ← open it in a browser, as {owner_of(tenant)}"
    )
    show.line(console, "bold", whole=True)
    for name in (*(service.name for service in SERVICES), "simulator", "issuer"):
        show.line(f"  {name:13} {places.urls[name]}")
    show.line(f"  {'kafka':13} {places.bootstrap}")
    show.line()
    show.line("Try next, in another terminal:", "bold")
    same = "".join(f"{name}={os.environ[name]} " for name in REPEATED if os.environ.get(name))
    for line in (f"{same}./dev status", f"{same}./dev topics", *_calls(places, tenant, script)):
        show.line(f"  {line}", whole=True)


def owner_of(tenant: str) -> str:
    """Whom to choose at the sign-in, to see what belongs to a tenant."""
    names = [one.name for one in PEOPLE.values() if (one.tenant, one.role) == (tenant, "owner")]
    return f"{names[0]} of {tenant}" if names else f"the owner of another tenant: {tenant}"


def _calls(places: Places, tenant: str, script: Script) -> list[str]:
    claims = json.dumps({"tenant": tenant, "role": "owner"})
    agent = quote(script.agent, safe="")
    message = {"role": "user", "content": script.question.text}
    asked = shlex.quote(
        json.dumps({"model": f"agent:{script.agent}", "messages": [message]}, ensure_ascii=False)
    )
    curl = 'curl -s -H "Authorization: Bearer $TOKEN"'
    service, gateway = places.urls["agent-svc"], f"{places.urls['agent-svc']}/v1/chat/completions"
    return [
        f"TOKEN=$(curl -s {places.urls['issuer']}/token -d '{claims}' | {READ_ANSWER})",
        f"{curl} '{places.urls['dialog-svc']}/v1/dialogs?rating=bad'",
        f"{curl} '{places.urls['training-svc']}/v1/runs?agent_id={agent}'",
        f"{curl} {gateway} -H 'Content-Type: application/json' -d {asked}",
        f"{curl} -X POST {service}/v1/agents/{agent}/rollback",
    ]
