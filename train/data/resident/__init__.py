"""Clips that stay on the device: characters as layers, composed there as they are needed."""
