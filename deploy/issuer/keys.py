"""The issuer's Ed25519 key, kept over restarts so that tokens stay good."""

from pathlib import Path

from joserfc.jwk import OKPKey

from deploy.stack.files import write_whole


def load_or_make(state: Path) -> OKPKey:
    """Read the signing key of a state folder, or make one; its kid is the RFC 7638 thumbprint."""
    path = state / "signing-key.pem"
    if not path.exists():
        write_whole(path, OKPKey.generate_key("Ed25519").as_pem(private=True).decode())
    key = OKPKey.import_key(path.read_bytes())
    key.ensure_kid()
    return key
