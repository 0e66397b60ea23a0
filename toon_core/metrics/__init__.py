"""Measures of an interpolated clip: `plain/` needs no network, `networks/` does.

Frames are float tensors (f c h w), RGB in [0, 1]. Functions that score a clip against the truth
take both at the same shape. Each file that has a column in the tables says so in its METRICS, which
`registry` collects. Importing this package imports no network and no evaluation package.
"""
