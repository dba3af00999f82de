"""Ask the server in this container how it is: python deploy/probe.py [PATH]

PATH is /healthz (the default), /readyz or /startupz; the port is that of DETECTOR_BIND.
Exit code 0 if the answer is 200; else 1, with one sentence on stderr.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

TIMEOUT_S = 2


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Ask once."""
    path = argv[0] if argv else "/healthz"
    port = environ.get("DETECTOR_BIND", "").rpartition(":")[2] or "8000"
    url = f"http://localhost:{port}{path}"
    # A proxy set for the container is not meant for a question to itself.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT_S) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        sys.stderr.write(f"probe: {url} does not answer: {error}\n")
        return 1
    if status != 200:
        sys.stderr.write(f"probe: {url} answers {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
