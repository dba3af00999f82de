"""nginx in front of several servers, as docs/running.md has it, with the least busy one asked."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ray_serve import answers
from benchmarks.serving import free_port

_CONFIG = """
user root; daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream detector {{
    least_conn;
    {servers}
    keepalive 64;
    keepalive_timeout 60s;
  }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 20m;
    client_body_buffer_size 1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_read_timeout 60s;
    proxy_next_upstream error timeout http_503 non_idempotent;
    location / {{ proxy_pass http://detector; }}
  }}
}}
"""
_START_S = 10.0


@dataclass(frozen=True)
class Nginx:
    """A running one."""

    process: "subprocess.Popen[bytes]"
    url: str


@contextmanager
def before(urls: Sequence[str]) -> Iterator[Nginx]:
    """Have nginx pass requests on to these servers while the block runs; a 503 is tried on the next one."""
    port = free_port()
    servers = "".join(f"server {url.removeprefix('http://')} max_fails=1 fail_timeout=1s; " for url in urls)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, servers=servers, port=port))
        process = subprocess.Popen(["nginx", "-c", config, "-e", f"{folder}/early"])
        try:
            started, end = Nginx(process, f"http://127.0.0.1:{port}"), time.monotonic() + _START_S
            while not answers(f"{started.url}/readyz"):
                if time.monotonic() > end:
                    raise RuntimeError("nginx does not answer")
                time.sleep(0.05)
            yield started
        finally:
            process.terminate()
            process.wait()
