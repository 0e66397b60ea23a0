"""The autoencoder: KL encoder, and the dual-reference 3D decoder."""
