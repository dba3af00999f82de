"""The files in which a machine and a container tell of their memory, below a folder in place of /."""

from pathlib import Path

GIB, MIB = 1 << 30, 1 << 20
WORKER = 37

MEMINFO = """\
MemTotal:       32790016 kB
MemFree:         1048576 kB
MemAvailable:    8388608 kB
Buffers:          204800 kB
Cached:          9437184 kB
"""
STATUS = """\
Name:\tpython
State:\tS (sleeping)
Pid:\t37
VmPeak:\t 9437184 kB
VmHWM:\t  700000 kB
VmRSS:\t  524288 kB
RssAnon:\t  373124 kB
"""


def machine(root: Path) -> Path:
    """One without limits: 8 GiB are available, the worker holds 512 MiB."""
    write(root / "proc/meminfo", MEMINFO)
    write(root / f"proc/{WORKER}/status", STATUS)
    return root


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def limit_2(root: Path, group: str, *, most: object, used: int, idle: int = 0) -> None:
    """A control group of version 2."""
    folder = root / "sys/fs/cgroup" / group.lstrip("/")
    write(folder / "memory.max", most)
    write(folder / "memory.current", used)
    write(folder / "memory.stat", f"anon {used - idle}\nfile {idle}\nactive_file 0\ninactive_file {idle}")


def limit_1(root: Path, group: str, *, most: object, used: int, idle: int = 0) -> None:
    """A control group of version 1; its memory.stat has the group alone and, as total_…, all groups in it."""
    folder = root / "sys/fs/cgroup/memory" / group.lstrip("/")
    write(folder / "memory.limit_in_bytes", most)
    write(folder / "memory.usage_in_bytes", used)
    write(folder / "memory.stat", f"inactive_file 0\ntotal_rss {used - idle}\ntotal_inactive_file {idle}")
