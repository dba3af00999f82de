"""Connections of clients: uvicorn's protocol with limits on what one may send, how slowly, and how many there may be.

May import: app.api.
"""
