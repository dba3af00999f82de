"""The programs. They run in their peer's environment: of this project they import only `model` beside them."""
