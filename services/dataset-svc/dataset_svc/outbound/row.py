"""The row that store methods return, named here because only outbound may know the driver."""

from asyncpg import Record as Row

__all__ = ["Row"]
