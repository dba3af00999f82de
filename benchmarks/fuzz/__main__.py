"""`make fuzz`: requests that nobody should send, against the real server. No 5xx, no trace, no path, nobody dies.

    python -m benchmarks.fuzz [--cases 20000] [--bodies 3000] [--connections 3000] [--seed 0] [--seconds 3000]

Prints a table in Markdown; the exit code is 1 if something did not hold, and each fault comes with the command that
sends its bytes again to a fresh server. The same seed makes the same cases.
"""

import argparse
import base64
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz import wire
from benchmarks.fuzz.run import Target, fuzzed, serve


def main() -> int:
    """Fuzz, or send one case again; 0 if all held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="from the OpenAPI document")
    parser.add_argument("--bodies", type=int, default=3000, help="mutated pictures, JSON and forms, in equal shares")
    parser.add_argument("--connections", type=int, default=3000, help="malformed as HTTP")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3000, help="most that all of it may take")
    parser.add_argument("--again", metavar="BASE64|FILE", help="send these bytes to a fresh server and show the answer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        target = Target(server)
        if args.again:
            return _again(target, args.again)
        amounts = {"cases": args.cases, "bodies": args.bodies, "connections": args.connections}
        until = time.monotonic() + args.seconds
        return fuzzed(target, amounts, seed=args.seed, until=until)


def _again(target: Target, what: str) -> int:
    path = Path(what)
    sent = path.read_bytes() if len(what) < 200 and path.is_file() else base64.b64decode(what)
    sys.stdout.buffer.write(wire.exchange(target.url, sent, whole=False) + b"\n")
    sys.stdout.flush()
    target.check_alive()
    return 0


if __name__ == "__main__":
    sys.exit(main())
