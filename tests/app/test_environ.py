import pytest

from app.environ import forget_secrets

NEEDED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "OMP_NUM_THREADS"),
    *(
        "CUDA_VISIBLE_DEVICES",
        "CUDA_CACHE_PATH",
        "TF_FORCE_GPU_ALLOW_GROWTH",
        "NVIDIA_VISIBLE_DEVICES",
        "MALLOC_ARENA_MAX",
    ),
    *("OPENBLAS_NUM_THREADS", "XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL"),
)
SECRET = (
    *("DETECTOR_TOKEN", "DETECTOR_ADMIN_TOKEN", "DETECTOR_MODEL", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *(
        "GOOGLE_APPLICATION_CREDENTIALS",
        "DATABASE_URL",
        "HTTPS_PROXY",
        "PGPASSWORD",
        "SSH_AUTH_SOCK",
        "KUBERNETES_PORT",
    ),
    *("NVIDIA_API_KEY", "TF_TOKEN_app_terraform_io", "TF_VAR_db", "PYTHON_KEYRING_BACKEND", "path", "PATHS", "MY_PATH"),
)


@pytest.mark.parametrize("but", [(), ("DATABASE_URL", "NVIDIA_API_KEY")])
def test_only_what_is_needed_or_named_is_left(but: tuple[str, ...]) -> None:
    environ = dict.fromkeys((*NEEDED, *SECRET), "x")
    forget_secrets(environ, but=but)
    assert set(environ) == {*NEEDED, *but}
