"""Requests that nobody should send: from the OpenAPI document, from mutated bodies, and from malformed bytes."""
