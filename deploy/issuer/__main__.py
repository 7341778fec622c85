"""`python -m deploy.issuer --port N --state DIR`, for development: needs MORTARBOARD_DEV=1."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from deploy.issuer.app import create_app
from deploy.issuer.keys import load_or_make


def main() -> None:
    """Serve tokens, on 127.0.0.1 unless told otherwise."""
    parser = argparse.ArgumentParser(
        prog="deploy.issuer", description="Development token issuer on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the signing key")
    parser.add_argument("--name", help="what tokens say of who signed them (default: http://127.0.0.1:PORT)")
    parser.add_argument(
        "--listen-on-every-interface",
        action="store_true",
        help="for a container: whoever reaches it gets any tenant's token, so publish its port on 127.0.0.1",
    )
    arguments = parser.parse_args()
    if os.environ.get("MORTARBOARD_DEV") != "1":
        sys.exit("this issuer signs a token for anybody who asks: it starts only with MORTARBOARD_DEV=1")
    issuer = arguments.name or f"http://127.0.0.1:{arguments.port}"
    app = create_app(load_or_make(arguments.state), issuer)
    host = "0.0.0.0" if arguments.listen_on_every_interface else "127.0.0.1"  # noqa: S104 -- asked for in words
    uvicorn.run(app, host=host, port=arguments.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
