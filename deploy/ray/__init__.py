"""The server on many machines by Ray Serve: each replica is this project's own server, and Ray's proxies ask it."""
