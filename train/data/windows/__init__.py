"""What recipes train on: windows drawn from stores, or stored by `train.cache`."""
