"""Values of a report as text for people, whatever they are."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite, log2
from typing import Any

from jinja2 import Undefined

Data = Mapping[str, Any]
DASH = "–"


def as_object(value: Any) -> Data:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def as_number(value: Any) -> float | None:
    """None for what is none, or can't be shown as one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:
        return None
    return value


def ratio(above: Any, below: Any) -> float | None:
    """One number in the other; None where that is none, or can not be shown."""
    above, below = as_number(above), as_number(below)
    found = above / below if above is not None and below else None
    return found if found is not None and isfinite(found) and found >= 0 else None


def by_count(counts: Any) -> list[tuple[str, Any]]:
    """Names with their numbers, the largest first."""
    return sorted(as_object(counts).items(), key=lambda item: -(as_number(item[1]) or 0))


def batch_order(size: str) -> tuple[float, str]:
    """Orders batch sizes: as numbers, anything else after them."""
    return (int(size), "") if size.isascii() and size.isdigit() and len(size) < 9 else (1e9, size)


def text(value: Any) -> str:
    """Any value of a report for people; inside a list or an object no further ones are shown."""
    match value:
        case str():
            return value  # markup stays markup
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return joined(f"{name}: {_inner(each)}" for name, each in value.items())
        case list() | tuple():
            return joined(map(_inner, value))
        case _:
            return DASH if _is_missing(value) else str(value)


def _is_missing(value: Any) -> bool:
    return value is None or isinstance(value, Undefined) or value != value  # NaN differs from itself


def _inner(value: Any) -> str:
    return "…" if isinstance(value, Mapping | list | tuple) else text(value)


def joined(texts: Iterable[Any], last: str = ", ") -> str:
    """ "1, 4 and 8" with the last ` and `; "none" of nothing."""
    *first, end = [_inner(each) for each in texts] or ["none"]
    return f"{', '.join(first)}{last}{end}" if first else end


def decimal(value: Any, digits: int = 0, scale: float = 1) -> str:
    """A number with so many digits behind the point, times `scale`."""
    number = as_number(value)
    return DASH if number is None else f"{number * scale:,.{digits}f}"


def in_bytes(value: Any) -> str:
    """Bytes in the unit that suits them."""
    number = as_number(value)
    if number is None:
        return text(value)
    power = min(int(log2(max(number, 1))) // 10, 3)
    return f"{number / 1024**power:,.{min(power, 1)}f} {('bytes', 'KiB', 'MiB', 'GiB')[power]}"


def duration(value: Any) -> str:
    """Seconds, or minutes and seconds from 100 s on."""
    number = as_number(value)
    if number is None or number < 100:
        return f"{decimal(value, 1)} s"
    minutes, seconds = divmod(round(number), 60)
    return f"{minutes:,} min {seconds} s"


def moment(value: Any) -> str:
    """A time of ISO 8601 in words, in UTC."""
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return text(value)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
