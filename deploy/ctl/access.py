"""Rights and users of a broker set up in one go, as a secure stack and tests need it."""

from collections.abc import Mapping

from deploy.ctl.plan import Found, plan
from deploy.ctl.topics import apply
from deploy.ctl.wire import acls, set_passwords
from deploy.stack.broker import Broker
from deploy.stack.secure import MECHANISM
from deploy.stack.topics import admin


async def let_in(broker: Broker, passwords: Mapping[str, str], prefix: str = "") -> None:
    """Make the principals with these passwords, and give them their rights to topics of a prefix."""
    async with admin(broker) as client:
        if passwords:
            await set_passwords(client, MECHANISM, passwords)
        found = Found({}, frozenset(await acls(client)))
        todo = plan([], found, prefix=prefix)
        await apply(client, [one for one in todo.changes if one.acl])
