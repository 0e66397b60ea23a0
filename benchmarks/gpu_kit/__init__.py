"""What there is to measure on a GPU, in stages, for whoever has one for minutes."""
