"""A server that is busy at first."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = {"backend": "native", "timing_ms": {"infer": 1}, "detections": [{"label": "tram", "score": 0.9}]}


@contextmanager
def refusing(times: int) -> Iterator[str]:
    """Its URL; it answers 429 so often, and then one detection."""
    left = [times]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            left[0] -= 1
            body = json.dumps({"error": "busy", "code": "overloaded"} if left[0] >= 0 else ANSWER).encode()
            self.send_response(429 if left[0] >= 0 else 200)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
