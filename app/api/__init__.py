"""HTTP: routes, the wire's schemas, errors as answers, and the ASGI layers below FastAPI."""
