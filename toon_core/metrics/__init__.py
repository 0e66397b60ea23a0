"""Measures of an interpolated clip, one file a metric.

Frames are float tensors (f c h w), RGB in [0, 1]. Functions that score a clip against the truth
take both at the same shape. Importing this package imports no network and no evaluation package.
"""
