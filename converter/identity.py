"""What a copy that is made here and now would depend on."""

from dataclasses import replace
from pathlib import Path

from converter import targets
from converter.contract import Identity, Options
from converter.disk import trees
from converter.disk.hashes import FileHash, sha256
from converter.machine import environment
from converter.machine.environment import Environment


def identify(source: Path, options: Options, found: Environment, *, file_hash: FileHash = sha256) -> Identity:
    """What a copy of `source` made here and now with `options` would depend on."""
    kind = targets.kind(options.target)
    identity = Identity(
        source_sha256=trees.source_sha256(source, file_hash=file_hash),
        options={**options.text(kind.shaped_by), **options.declared.given()},
        tensorflow=found.tensorflow or "unknown",
        tensorflow_build=found.tensorflow_build or "unknown",
        format=kind.format,
        libraries={name: found.versions.get(name, "unknown") for name in kind.made_by},
    )
    if not kind.has_engines:
        return identity
    return replace(
        identity,
        tensorrt=environment.dotted(found.tensorrt_loaded),
        gpu=found.gpus[0] if found.gpus else None,
        compute_capability=found.compute_capability,
    )
