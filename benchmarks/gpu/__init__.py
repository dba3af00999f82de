"""Native and the copies on a GPU, over HTTP and called directly, in parts that can be resumed: see `__main__.py`."""
