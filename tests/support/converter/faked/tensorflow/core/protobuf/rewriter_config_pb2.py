"""Settings that no fake model needs."""
