"""Shots: many keys, each exact on its frame, timed by an exposure sheet (docs/shots.md)."""
