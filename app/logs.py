"""Log lines: one line each, fixed text first, then key=value; nothing a client sends can forge one."""

import logging
import sys
from datetime import UTC, datetime

_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(0x80, 0xA0), 0x2028, 0x2029]}


class LineFormatter(logging.Formatter):
    """`2026-11-25T09:00:00.123Z info app.lanes.slot backend ready backend=native seconds=3.2`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; control characters are escaped, and a traceback becomes its own escaped field."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        line = f"{when} {record.levelname.lower()} {record.name} {record.getMessage()}"
        if record.exc_info:
            line += f" traceback={self.formatException(record.exc_info)!r}"
        return line.translate(_ESCAPES)


def set_up(level: str) -> None:
    """Send this process's log to standard error, from `level` up; uvicorn's lines in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    ours = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(ours, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("app").setLevel(ours)
    logging.getLogger("PIL").disabled = True  # it tells what is in pictures
    for name in ("PIL.TiffImagePlugin", "PIL.PngImagePlugin"):
        logging.getLogger(name).disabled = True
