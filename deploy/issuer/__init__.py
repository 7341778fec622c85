"""The development token issuer: it signs whatever it is asked to, so it runs on 127.0.0.1 only."""
