"""What no fake model needs."""
