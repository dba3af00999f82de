"""Arrows point one way: what each module may import, and the shape that all of them have."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

PARTS = ("app", "converter", "tests", "benchmarks", "deploy", "docs", "models")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 250, 40
Function = ast.FunctionDef | ast.AsyncFunctionDef
# The API process imports these, and all that they import when they are imported.
API_PROCESS = ("app.__main__", "app.main", "app.server")
# Where a library may be imported, in whatever place of the module; a library not named here: anywhere.
MAY_BE_IMPORTED_IN = {
    "tensorflow": {"app.backends.", "converter.comparison.", "converter.graph.", "converter.machine.environment"}
    | {"converter.model.", "converter.tftrt."},
    "onnxruntime": {"converter.graph.", "converter.model.onnx_lanes", "converter.model.device"}
    | {"converter.model.providers"},
    "simplejpeg": {"converter.model.jpeg"},
    "jinja2": {"app.web."},
    "grpc": {"app.rpc."},
    "grpc_health": {"app.rpc."},
    "open_inference": {"app.rpc."},
    "fastapi": {"app.api.", "app.main", "app.server"},
    "starlette": {"app.api."},
    "uvicorn": {"app.connections.", "app.server"},
    "httptools": {"app.connections."},
    "PIL": {"app.api.", "app.detection.draw", "app.lanes.repair", "app.web.", "converter.model."},
    "pycocotools": {"converter.evaluation.scoring"},
    "tqdm": {"converter.bar"},
    "prometheus_client": {"app.comparison_series", "app.histogram", "app.metrics", "app.processes", "app.zeros"},
}


def sources(*parts: str) -> list[Path]:
    found = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    return sorted(path for path in found if "node_modules" not in path.parts)  # npm's


def name_of(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


MODULES = {name_of(path): path for path in sources("app", "converter")}


def imported(module: str, *, when_imported: bool = False) -> set[str]:
    """Names of the modules that `module` imports anywhere; or only those that importing it runs."""
    tree = ast.parse(MODULES[module].read_text())
    nodes = at_import(tree.body) if when_imported else ast.walk(tree)
    return {name for node in nodes for name in named(node)}


def named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.module, "imports are absolute"
        for alias in node.names:
            deeper = f"{node.module}.{alias.name}"
            yield deeper if deeper in MODULES else node.module


def at_import(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported: none in functions, none for the type checker alone."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from at_import(child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt))


def below(*modules: str) -> set[str]:
    """Everything that importing `modules` imports, through ours; a package comes with each of its modules."""
    found: set[str] = set()
    left = list(modules)
    while left:
        module = left.pop()
        if module in found:
            continue
        found.add(module)
        left += [package for package in MODULES if module.startswith(package + ".")]
        left += imported(module, when_imported=True) if module in MODULES else []
    return found


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(name.startswith(each) if each.endswith(".") else name == each for each in patterns)


def libraries(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def room_of(module: str) -> str:
    """The folder that a module stands in; what stands in `app` or `converter` itself is open to every room below."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


ROOMS = {room_of(module) for module in MODULES} - {"app", "converter"}


def declared(room: str) -> set[str]:
    """The rooms that a room's own docstring says it may import."""
    text = ast.get_docstring(ast.parse(MODULES[room].read_text())) or ""
    return set(re.findall(r"app\.[\w.]+\w|converter\.[\w.]+\w", text.partition("May import:")[2]))


def reached(room: str) -> set[str]:
    """The rooms below a room: those that it may import, and those below them."""
    return declared(room).union(*map(reached, declared(room)))  # RecursionError where arrows run in a circle


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_the_rooms_below_it(room: str) -> None:
    """A room inside another one belongs to it; the converter's rooms are open to the whole server."""
    below = {room, *reached(room), *(name for name in ROOMS if room.startswith(name + "."))}
    allowed = {name for name in ROOMS if name in below or any(name.startswith(each + ".") for each in below)}
    allowed |= {name for name in ROOMS if room.startswith("app.") and name.startswith("converter.")}
    modules = [name for name in MODULES if room_of(name) == room]
    used = {room_of(name) for module in modules for name in imported(module) if name in MODULES}
    assert used - allowed - {"app", "converter"} == set()


def test_what_every_room_may_import_imports_no_room() -> None:
    """Of the modules that stand outside of rooms only those that build or run the whole look down."""
    builders = {"app.__main__", "app.main", "app.server", "app.wiring"}
    for module in {name for name in MODULES if room_of(name) == "app"} - builders:
        assert {room_of(name) for name in imported(module) if name in MODULES} & {*ROOMS} <= {
            name for name in ROOMS if name.startswith("converter.")
        }, module


def test_the_converter_stands_alone() -> None:
    for module in MODULES:
        if module.partition(".")[0] == "converter":
            assert "app" not in libraries(imported(module)), module


@pytest.mark.parametrize("library", MAY_BE_IMPORTED_IN)
def test_a_library_is_imported_where_it_belongs(library: str) -> None:
    where = {module for module in MODULES if library in libraries(imported(module))}
    assert {module for module in where if not matches(module, MAY_BE_IMPORTED_IN[library])} == set()


def test_no_import_of_the_api_process_leads_to_tensorflow() -> None:
    assert "tensorflow" not in libraries(below(*API_PROCESS))
    assert "tensorflow" in libraries(below("app.backends.savedmodel")), "this test can tell"


@pytest.mark.parametrize(
    ("imports", "without"),
    [
        (API_PROCESS, {"tensorflow", "keras", "grpc", "google"}),
        (("app.backends.worker", "app.backends.child"), {"tensorflow", "fastapi", "uvicorn"}),
        (("converter",), {"tensorflow", "numpy", "app"}),
    ],
    ids=["the server", "a worker's pipe", "the converter's package"],
)
def test_what_a_process_really_imports(imports: tuple[str, ...], without: set[str]) -> None:
    script = f"import sys, {', '.join(imports)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert libraries(done.stdout.split()) & without == set()


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes of a module that are called by name from elsewhere, and their public methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
                yield from (method for method in methods if not method.name.startswith("_"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_all_that_is_public_in_it_says_what_it_is(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    assert ast.get_docstring(tree)
    assert [node.name for node in public(tree) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", sources(*PARTS), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension)


def complexity(function: ast.AST) -> int:
    """1, and 1 for each branch, loop, handler and further operand of `and` or `or`."""
    inside = list(ast.walk(function))
    operands = sum(len(node.values) - 1 for node in inside if isinstance(node, ast.BoolOp))
    return 1 + operands + sum(isinstance(node, BRANCHES) for node in inside)


def test_functions_are_simple() -> None:
    trees = [ast.parse(path.read_text()) for path in sources("app", "converter")]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    found = sorted(complexity(node) for node in functions)
    assert found[-1] <= 10
    assert found[int(0.95 * len(found))] <= 6
