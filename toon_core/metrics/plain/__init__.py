"""Measures that need no network, one file a measure."""
