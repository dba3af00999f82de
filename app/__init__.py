"""The detection server: HTTP in front, one worker process for each model behind."""

__version__ = "0.2.0.dev0"
