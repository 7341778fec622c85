"""Asks the service in this container how it is: `python -m chassis.probe [livez|readyz]`.

Exit status 0 when the answer is 200; else 1, with the answer, so that `docker inspect` shows what is wrong.
"""

import http.client
import os
import sys

TIMEOUT_S = 2.5
LONGEST = 2000


def ask(path: str, port: int) -> tuple[int, str]:
    """Return the status and the body of a GET on the ops port; raises OSError when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST).decode(errors="replace")
    finally:
        connection.close()


def main() -> None:
    """Ask, and say what was answered unless all is well."""
    path = sys.argv[1] if sys.argv[1:] else "livez"
    try:
        status, body = ask(path, int(os.environ["MORTARBOARD_OPS_PORT"]))
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{path}: {type(error).__name__}: {error}")
    if status != http.HTTPStatus.OK:
        sys.exit(f"{path}: {status} {body}")


if __name__ == "__main__":
    main()
