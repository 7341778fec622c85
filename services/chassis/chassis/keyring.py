"""Master keys: several at once, each known by its id, so that they can be changed without a stop.

The first one listed seals; all of them open. A key's id is derived from it, so none has to be made up, and
what was sealed says by which key. A file is read again at each look for old seals, for an unknown id, and
once a minute while something is sealed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from chassis.errors import Transient

KEY_BYTES = 32
ID_BYTES = 8
LOOK_AGAIN = 1.0
"""Seconds between two looks for a key that is not there."""
FOLLOW = 60.0
"""Seconds for which the newest key is taken for the newest; then the file is read again."""

Read = Callable[[], Sequence[bytes]]


class MasterKeyUnknownError(Transient):
    """Sealed by a master key that this process does not have (yet): it is on its way, or was removed."""


def master_key_id(key: bytes) -> bytes:
    """Return the id by which a master key is known (8 bytes); it tells nothing of the key."""
    return hmac.new(key, b"mortarboard master key id", hashlib.sha256).digest()[:ID_BYTES]


def parse_keys(text: str) -> list[bytes]:
    """Return the keys in `text`: base64, one a line or separated by commas; `#` begins a comment.

    Raises ValueError when there is none, or one is not 32 bytes.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    keys = [base64.b64decode(word, validate=True) for word in " ".join(lines).replace(",", " ").split()]
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError("master keys must be 32 bytes in base64")
    return keys


class Keyring:
    """The master keys of a process; `read` returns them, the sealing one first."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._looked = clock()
        self._take(read())

    @classmethod
    def of(cls, *keys: bytes) -> Keyring:
        """Return a keyring of these keys, the sealing one first."""
        return cls(lambda: keys)

    @classmethod
    def of_file(cls, path: Path, clock: Callable[[], float] = time.monotonic) -> Keyring:
        """Return a keyring that follows a file; raises OSError or ValueError when it cannot be read."""
        return cls(lambda: parse_keys(path.read_text(encoding="utf-8")), clock)

    def _take(self, keys: Sequence[bytes]) -> None:
        self._keys = {master_key_id(key): key for key in keys}
        self._newest = master_key_id(keys[0])

    @property
    def newest(self) -> tuple[bytes, bytes]:
        """The id and the key that seals, at most a minute behind the file."""
        if self._clock() - self._looked > FOLLOW:
            self.refresh()
        return self._newest, self._keys[self._newest]

    @property
    def older(self) -> list[bytes]:
        """The ids of the keys that only open."""
        return [key_id for key_id in self._keys if key_id != self._newest]

    def refresh(self) -> None:
        """Look again at where the keys come from; a file that cannot be read changes nothing."""
        self._looked = self._clock()
        try:
            self._take(self._read())
        except (OSError, ValueError):
            return

    def find(self, key_id: bytes) -> bytes:
        """Return a master key by its id; raises MasterKeyUnknownError, at first after looking again."""
        if key_id not in self._keys and self._clock() - self._looked > LOOK_AGAIN:
            self.refresh()
        try:
            return self._keys[key_id]
        except KeyError:
            raise MasterKeyUnknownError(f"no master key {key_id.hex()} here") from None
