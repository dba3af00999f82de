#!/bin/sh
# Print the LD_LIBRARY_PATH with which TensorFlow finds CUDA, cuDNN and TensorRT:
#   sh deploy/libraries.sh VENV TENSORRT
# VENV has the packages of requirements-gpu.lock, TENSORRT is what deploy/tensorrt.sh made.
set -eu

if [ $# -ne 2 ]; then
    echo "libraries: usage: sh deploy/libraries.sh VENV TENSORRT" >&2
    exit 2
fi

path=
for library in "$2"/libnvinfer.so.* "$1"/lib/python3.11/site-packages/nvidia/*/lib/*.so*; do
    if [ ! -e "$library" ]; then
        echo "libraries: nothing matches $library: 'make .venv/gpu.done' installs it" >&2
        exit 1
    fi
    folder=$(CDPATH='' cd -- "$(dirname -- "$library")" && pwd)
    case :$path: in
    *":$folder:"*) ;;
    *) path=${path:+$path:}$folder ;;
    esac
done
echo "$path"
