"""The video denoiser."""
