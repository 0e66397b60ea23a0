"""Measures by networks, and the networks that they need."""
