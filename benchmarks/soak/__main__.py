"""`make soak`: ten minutes of good and odd requests, clients that leave, and admins, over native and a copy.

    python -m benchmarks.soak [--seconds 600] [--seed 0] [--copy onnx] [--leak]

Of ten requests eight are good, in all forms; one is an odd picture; clients leave in the middle of one in twenty, and
one in twenty is an admin's, who swaps and converts now and then. Half-way everything comes at once for a while, so
that each worker has had its largest batches before its memory is judged. No answer may be wrong and none 5xx; handles,
threads and processes must come back to what they were, and the memory of no process may grow by 1 MB a minute or more.
Then everything at once again, with SIGTERM at its end. Prints a table in Markdown; the exit code is 1 if something did
not hold. `--leak` is the control: the server keeps 10 kB of each request, and the soak must fail.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.soak.run import Plan, soak


def main() -> int:
    """Soak; 0 if all held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of the mixed load; a tenth more for all at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--copy", choices=("onnx", "frozen"), default="onnx", help="the second backend")
    parser.add_argument("--leak", action="store_true", help="plant a leak of 10 kB a request: the soak must fail")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = soak(Path(folder), Plan(args.seconds, args.seed, args.copy, args.leak))
    print("| | found | must be | |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.what} | {row.found} | {row.limit} | {'holds' if row.holds else 'FAILS'} |")
    return int(not all(row.holds for row in rows))


if __name__ == "__main__":
    sys.exit(main())
