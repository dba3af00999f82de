"""A program in the environment of other servers' clients: reads objects of Kubernetes as JSON, says what is wrong.

Kubernetes' own kinds by its schemas, of two of its versions; KServe's by the fields and types of kserve's classes.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

VERSIONS = ("1.29", "1.37")
PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}


def wrong(each: dict[str, Any]) -> Iterator[str]:
    """Sentences."""
    if each["apiVersion"].startswith("serving.kserve.io/"):
        version = each["apiVersion"].partition("/")[2]
        yield from unlike(each, f"{version[0].upper()}{version[1:]}{each['kind']}", each["kind"])
        return
    validator = import_module("kubernetes_validate")
    for version in VERSIONS:
        try:
            validator.validate(each, version, strict=True)
        except validator.ValidationError as error:
            yield f"{each['kind']} in {version}: {error.message}"


def unlike(value: Any, kind: str, where: str) -> Iterator[str]:
    """What in `value` a class or a plain type does not have."""
    if item := re.fullmatch(r"([Ll]ist\[|[Dd]ict[([]str, )(.+)[])]", kind):
        if not isinstance(value, list if item[1].lower() == "list[" else dict):
            yield f"{where} is no {kind}"
            return
        parts = enumerate(value) if isinstance(value, list) else value.items()
        for name, part in parts:
            yield from unlike(part, item[2], f"{where}.{name}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]):  # type: ignore[arg-type]  # a type or two
            yield f"{where} is no {kind}: {value!r}"
    else:
        yield from unlike_class(value, model(kind), where)


def model(kind: str) -> Any:
    """KServe's class, or that of Kubernetes' client on which it builds."""
    kserve = import_module("kserve")
    return getattr(kserve, kind, None) or getattr(import_module("kubernetes.client"), kind)


def unlike_class(value: Any, kind: Any, where: str) -> Iterator[str]:
    """What a class does not know, or is not given and needs."""
    if not isinstance(value, dict):
        yield f"{where} has no fields: {value!r}"
        return
    names = {theirs: ours for ours, theirs in kind.attribute_map.items()}
    for name in value:
        if name in names:
            yield from unlike(value[name], kind.openapi_types[names[name]], f"{where}.{name}")
        else:
            yield f"{where} has no field {name}"
    try:
        kind(**{names[name]: part for name, part in value.items() if name in names})
    except ValueError as error:
        yield f"{where}: {error}"


if __name__ == "__main__":
    json.dump([sentence for each in json.load(sys.stdin) for sentence in wrong(each)], sys.stdout)
