"""The map of the architecture is under test: every file that it names exists, and no room or root module is missing."""

import re

import pytest

from tests.support.places import ROOT

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/architecture.md", "CONTRIBUTING.md")}
MAP = PAGES["docs/architecture.md"]
PATHS = sorted(
    {path for page in PAGES.values() for path in re.findall(r"(?:app|converter|tests|docs|benchmarks)/[\w./]*\w", page)}
)


@pytest.mark.parametrize("path", PATHS)
def test_what_the_map_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("package", ["app", "converter"])
def test_the_map_has_every_room(package: str) -> None:
    rooms = [path.parent.name for path in (ROOT / package).rglob("__init__.py") if path.parent.name != package]
    assert [room for room in rooms if f"{room}/" not in MAP] == []


@pytest.mark.parametrize("package", ["app", "converter"])
def test_the_map_has_every_module_outside_of_rooms(package: str) -> None:
    modules = [path.name for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]
    assert [name for name in modules if name not in MAP] == []


def test_the_recipes_name_files() -> None:
    recipes = [line for line in MAP.partition("## Recipes")[2].split("\n- ") if line.startswith("**")]
    assert len(recipes) >= 4
    assert all(re.search(r"`(app|converter)/", recipe) for recipe in recipes)
