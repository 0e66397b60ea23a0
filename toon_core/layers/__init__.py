"""Building blocks shared by the UNet, the sketch encoder and the autoencoder."""
