"""Scoring of interpolation systems on a test set: clips, systems, scores, report, sheets."""
