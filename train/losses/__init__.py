"""Losses, one subject a file."""
