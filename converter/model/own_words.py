"""What a model says of itself, where it can't be read: `assets.extra/detector.json` in its folder."""

from dataclasses import asdict
from pathlib import Path

from converter import stored
from converter.contract import UnusableModel
from converter.description import OWN_WORDS, Declared

_LARGEST = 64 << 10  # bytes


def with_own_words(declared: Declared, folder: Path) -> Declared:
    """What a person declares and, where nothing is declared, what the model says; UnusableModel if that is nonsense."""
    path = folder / OWN_WORDS
    if not path.is_file():
        return declared
    try:
        text = path.read_bytes()
        if len(text) > _LARGEST:
            raise ValueError(f"{path.name} has more than {_LARGEST} bytes")
        said = stored.from_json(Declared, text, path.name)
        if problem := said.problem():
            raise ValueError(problem)
    except (OSError, ValueError) as error:
        raise UnusableModel(f"what the model says of itself can't be read: {error}") from error
    return Declared(**{**asdict(said), **declared.given()})
