"""Which environment variables the processes that the server starts may see: a model is a program, so no secrets.

A list of what may pass, since nobody knows what a machine's secrets are called: tokens of a cloud, of a registry, of
the next service that is deployed here.
"""

from collections.abc import Collection, Iterator, MutableMapping

# For finding programs and libraries, for text and time, and for temporary files.
_NAMES = (
    *("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "HOME", "USER", "LOGNAME", "SHELL"),
    *("LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "GLIBC_TUNABLES"),
)
# What Python, TensorFlow, ONNX Runtime, CUDA, TensorRT and the libraries below them are set by.
_PREFIXES = (
    *("LC_", "XDG_", "PYTHON", "MALLOC_", "TF_", "XLA_", "ORT_", "ONNX", "TRT_", "TENSORRT_"),
    *("CUDA_", "CUDNN_", "CUBLAS_", "NCCL_", "NVIDIA_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_"),
    *("DNNL_", "ONEDNN_", "NUMEXPR_"),
)
# NVIDIA_API_KEY, TF_TOKEN_… and TF_VAR_… (Terraform) begin like them.
_SECRET = ("TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL", "AUTH", "TF_VAR_")


def forget_secrets(environ: MutableMapping[str, str], *, but: Collection[str] = ()) -> None:
    """Remove every variable that no child needs, so that none can inherit it; `but` are names that stay."""
    for name in list(_unneeded(environ)):
        if name not in but:
            del environ[name]


def _unneeded(environ: Collection[str]) -> Iterator[str]:
    for name in environ:
        wanted = name in _NAMES or name.startswith(_PREFIXES)
        if not wanted or any(word in name.upper() for word in _SECRET):
            yield name
