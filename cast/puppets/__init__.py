"""The characters, one file each, in the order of the preview sheet."""

from cast.puppets import bird, cat, fox, frog, ghost, girl, owl, rabbit, robot

CLIPS = tuple(p.CLIP for p in (fox, frog, owl, girl, ghost, rabbit, cat, bird, robot))
