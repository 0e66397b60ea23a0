"""Training entries; run them from the repository root as `python -m train.<name>`."""
