"""What every training entry shares: options, loop, checkpoints, random draws, results."""
