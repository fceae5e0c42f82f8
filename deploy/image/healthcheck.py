"""Ask the service in this container how it fares: ``healthcheck.py [/healthz | /readyz]``.

Exits with 0 if it answers 200 and with 1 if not; what it said goes to standard output, which an engine keeps beside
the container's state.
"""

import http.client
import os
import sys

_TIMEOUT_S = 4
_SHOWN_BYTES = 1_000


def main(path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["XQG_PORT"]), timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        sys.stdout.write(answer.read(_SHOWN_BYTES).decode("utf-8", "replace") + "\n")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"the service does not answer: {error}\n")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/healthz"))
