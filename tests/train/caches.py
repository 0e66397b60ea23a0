"""The options of a small cache of clips."""

from train.recipes.cache import CacheConfig

SHAPE = {"height": 64, "width": 64}


def options(data, out, **changes) -> CacheConfig:
    given = {"count": 5, "shard_items": 2, "seed": 3, "held_out": 1, "workers": 0, "device": "cpu"}
    return CacheConfig(data=str(data), out=str(out), **(given | SHAPE | changes))
