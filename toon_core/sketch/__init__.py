"""The sketch control: which sketches on which frames, and the encoder."""
