import subprocess
import sys

ACT = """
import ctypes, errno, os, pathlib, resource, subprocess, sys
from converter.machine.confine import close_to_others, confine
GET_DUMPABLE = 3  # linux/prctl.h
confine(largest_file=1000)
confine(largest_file=2000)  # never more than before
close_to_others()
said = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
print("NoNewPrivs:\\t1" in said, resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(GET_DUMPABLE))
try:
    pathlib.Path(sys.argv[1]).write_bytes(bytes(1001))
except OSError as error:
    print(errno.errorcode[error.errno], os.path.getsize(sys.argv[1]))
"""


def test_a_confined_process_and_its_children_gain_and_write_little(tmp_path: object) -> None:
    command = [sys.executable, "-c", ACT, f"{tmp_path}/file"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True (0, 0) 0", "EFBIG 1000"]
