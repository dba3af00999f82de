"""HTTP: the routes, the protocols they speak, errors as answers, and the ASGI layers below FastAPI.

May import: app.copies, app.detection, app.web.
"""
