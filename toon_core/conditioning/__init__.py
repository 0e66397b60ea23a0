"""Everything the denoiser is conditioned on: text, image tokens, key latents."""
