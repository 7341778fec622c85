"""Everything killed, paused and restarted under load, with a ledger of what must come out."""
