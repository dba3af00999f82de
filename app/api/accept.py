"""Whether a caller would rather have a JPEG picture than JSON (RFC 9110, 12.5.1, as far as these two go)."""


def wants_picture(accept: str) -> bool:
    """True if `image/jpeg` is named, or `image/*`, and JSON is not liked as much."""
    picture = json = 0.0
    for part in accept.split(","):
        media_range, _, rest = part.partition(";")
        quality = _quality(rest)
        if media_range.strip().lower() in ("image/jpeg", "image/*"):
            picture = max(picture, quality)
        elif media_range.strip().lower() in ("application/json", "application/*"):
            json = max(json, quality)
    return picture > json


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
