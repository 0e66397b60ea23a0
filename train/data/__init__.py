"""Training clips: readers, the frame cache, splits, backgrounds, windows and sketches."""
