"""Measurements; they run only when asked for. Results are kept in the Markdown files beside."""
