"""What `train.prepare` does: from raw media to shards, index and sheet."""
