"""`./dev up --secure` and `./dev demo --secure` as a person runs them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from deploy.stack.secure import ADMIN
from deploy.stack.servers import Servers
from tests.e2e.test_stack_launcher import Launcher
from tests.harness import PORTS


def test_the_secure_stack_is_used_like_the_other(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path / "run")
    try:
        up = launcher.command("up", "--secure", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        plan = launcher.command("topics", "plan")
        assert (plan.returncode, plan.stdout) == (0, "nothing to do: the broker has what the contracts say\n")
        for command in (("status",), ("topics",), ("dlt", "list"), ("seed", "states")):
            done = launcher.command(*command)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        made = launcher.run_folder / "data-secure" / "secure"
        assert {path.stat().st_mode & 0o077 for path in made.glob("*.password")} == {0}, "nobody else's"
        assert {path.stat().st_mode & 0o077 for path in made.glob("*.key")} == {0}
    finally:
        assert launcher.command("down").returncode == 0


def test_the_demo_plays_on_it(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path / "run")
    done = launcher.command("demo", "--secure", "--once")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    result = json.loads(done.stdout.strip().rsplit("\n", 1)[1])
    assert (result["dialogs"], result["status"], result["error"]) == (40, "ready", None)


async def test_the_demo_plays_on_servers_that_are_somebody_elses(tmp_path: Path) -> None:
    """Managed ones, as it were: reached by settings only, each with TLS and a password."""
    launcher = Launcher(tmp_path / "run")
    async with Servers.on_free_ports(tmp_path / "theirs", secure=True, ports=PORTS) as theirs:
        assert theirs.secure
        launcher.env |= theirs.secure.kafka_environment(ADMIN) | {
            "MORTARBOARD_STACK": "external",
            "MORTARBOARD_KAFKA_BOOTSTRAP": theirs.bootstrap,
            "MORTARBOARD_POSTGRES_ADMIN_URL": theirs.admin_url,
        }
        done = await asyncio.to_thread(launcher.command, "demo", "--once")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert '"error": null' in done.stdout
