"""Random inked characters, props and painted scenes with exact motion and occlusion maps."""
