"""Builds the Dockerfile's two images and checks them as they run: `python -m deploy.images`."""
