"""`make docs`: the tables of the documents that say what the code says, written from the code.

    python -m docs.reference [--check]

A page has a pair of marks where a table belongs, with the table's name in the first one. `--check` writes nothing and
exits with 1 if a page is not as it would be written. tests/test_reference.py holds the pages to this.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs import capacity, command_tables, settings_table, tables

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- written by make docs: {} -->", "<!-- end of it -->"
_BLOCK = re.compile(BEGIN.format(r"(?P<name>\w+)") + "\n(.*?)" + END, re.DOTALL)
WRITERS: Mapping[str, Callable[[], str]] = {
    "routes": tables.routes,
    "parameters": tables.parameters,
    "errors": tables.errors,
    "metrics": tables.metrics,
    "settings": settings_table.settings,
    "options": command_tables.convert,
    "evaluate": command_tables.evaluate,
    "capacity": capacity.machines,
    "speed": capacity.speed,
}


def main() -> int:
    """Write the pages anew, or check them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    args = parser.parse_args()
    stale = {page: text for page, text in written().items() if page.read_text(encoding="utf-8") != text}
    for page, text in stale.items():
        print(f"{page.relative_to(ROOT)} {'is stale: run make docs' if args.check else 'was written'}")
        if not args.check:
            page.write_text(text, encoding="utf-8")
    return int(args.check and bool(stale))


def written() -> dict[Path, str]:
    """Each page that has tables, as it is to be; KeyError if a mark names a table that is not known."""
    pages = {
        page: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    }
    return {page: filled(text) for page, text in pages.items() if _BLOCK.search(text)}


def filled(text: str) -> str:
    """The text of a page with its tables anew."""
    return _BLOCK.sub(lambda found: _block(found["name"]), text)


def _block(name: str) -> str:
    return f"{BEGIN.format(name)}\n\n{WRITERS[name]()}\n\n{END}"


if __name__ == "__main__":
    sys.exit(main())
