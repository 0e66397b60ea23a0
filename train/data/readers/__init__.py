"""Clips on disk, of every kind, to frames in memory."""
