"""Files and folders in places where others may write, too: opened without following a link that they put there."""

import os
import stat
from pathlib import Path

_NEVER = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # not blocking: a pipe would be waited for without end


def open_file(path: Path, flags: int, mode: int = 0o644) -> int:
    """The handle of the file at `path` itself, as `os.open`; OSError if it is a link or no file."""
    handle = os.open(path, flags | _NEVER, mode)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is no file", str(path))
    return handle


def open_folder(path: Path) -> int:
    """The handle of the folder at `path` itself; OSError if there is a link or something other than a folder."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NEVER)


def read_file(path: Path, *, most: int) -> bytes:
    """What the file at `path` itself has; OSError as `open_file`, or if it has more than `most` bytes."""
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it has more than {most} bytes", str(path))
    return content


def replace_file(path: Path, content: bytes, *, beside: Path) -> None:
    """Put `content` at `path`, whole: it is written to `beside`, in the same folder, and renamed."""
    beside.unlink(missing_ok=True)  # what a crash left, or another put there
    with open(open_file(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)
    beside.replace(path)


def make_folder(path: Path) -> None:
    """Have a folder at `path`; the ones above it may be links, it may not."""
    path.mkdir(parents=True, exist_ok=True)
    os.close(open_folder(path))


def open_to_others(folder: Path) -> str | None:
    """Why others can put files into `folder`, whose copies are programs that this user runs; None if they can't."""
    try:
        found = folder.stat()
    except OSError:
        return None  # nothing is there yet
    if found.st_mode & stat.S_IWOTH:
        return f"any user of this machine can write to {folder}, and so change the copies that are run from it"
    if found.st_uid not in (0, os.geteuid()):
        return f"{folder} belongs to another user, who can change the copies that are run from it"
    return None
