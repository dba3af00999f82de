"""What a worker of the served model, or of one of its copies, must pass each time one is started."""

import asyncio
from dataclasses import replace
from pathlib import Path

from app.backends.backend import Backend, ModelRefused, Spec
from app.copies.folders import CopyFolders, Looked
from app.lanes.door import Door
from app.verdicts.judge import Judge
from converter.contract import Options, Report
from converter.disk import places, trees
from converter.disk.hashes import FileHash

UNVERIFIED = "unverified: it has no report.json that says what it was made from"


class NativeDoor(Door):
    """Lets the served model in while its files are those that it was served with.

    `sha256`: the hash of those; None: they are what is found the first time.
    """

    def __init__(self, spec: Spec, sha256: str | None, file_hash: FileHash) -> None:
        super().__init__(spec)
        self.sha256, self._file_hash = sha256, file_hash

    async def spec(self) -> Spec:
        """How native is run; ModelRefused if its files are others now."""
        folder = self._spec.folder
        found = await digest(folder, self._file_hash)
        self.sha256 = self.sha256 or found
        if found != self.sha256:
            raise ModelRefused(
                f"the files in {folder.name} are not those that version {self._spec.version} was served with; "
                "put them back, or load native again to serve them as they are now"
            )
        finding = places.location(folder, "found", cache=self._spec.cache) / f"{self.sha256}.json"
        return replace(self._spec, finding=finding)


class CopyDoor(Door):
    """Lets in a copy whose files and identity are what they should be; it is judged if any of them has changed."""

    inspecting = "it is loaded, and is being compared with native"

    def __init__(self, options: Options, folders: CopyFolders, judge: Judge) -> None:
        self._options, self._folders, self._judge = options, folders, judge
        self._looked: Looked | None = None
        self._judged = ""  # what it looked like when it got its verdict

    @property
    def report(self) -> Report | None:
        """The report of the copy that was let in last."""
        return self._looked.report if self._looked else None

    async def spec(self) -> Spec:
        """How the copy is to be run; CopyRefused if it may not be."""
        self._looked = await self._folders.look(self._options)
        return self._looked.spec

    async def inspect(self, fresh: Backend, /) -> None:
        """Have it judged; ModelRefused if another version of the model has been loaded meanwhile."""
        looked = self._looked
        if looked is None:
            raise RuntimeError("nobody looked at its files")
        if looked.fingerprint != self._judged:
            await self._judge.judge(fresh, note="" if looked.report else UNVERIFIED)
        if looked.switches != self._folders.switches:
            raise ModelRefused("a new version of the model has been loaded meanwhile")
        self._judged = looked.fingerprint


async def digest(model: Path, file_hash: FileHash) -> str:
    """One hash over the files of a SavedModel; ModelRefused if they can't be read."""
    try:
        return await asyncio.to_thread(trees.source_sha256, model, file_hash=file_hash)
    except OSError as error:
        raise ModelRefused(f"the model in {model.name} can't be read: {error.strerror or error}") from error
