"""Encode training windows once: posteriors of latents, tokens of both towers, sketches.

    python -m train.cache base=MODEL.safetensors data=CLIPS out=CACHE [count=4000 height=320 \\
        width=512 frames=16 sketch=auto video=true ...]
    python -m train.cache autoencoder=RUN/autoencoder.safetensors data=CLIPS out=CACHE

`data` is what the recipes take, shards or a folder of clips; they then take data=CACHE, which
needs neither the clips nor another pass of the frozen networks. With base, `train.rectify`,
`train.sketch` and `train.pretrain` can use it; with autoencoder, `train.pretrain` alone, whose
towers train; with video=true, `train.decoder` and `train.autoencoder` too.

Window i is what (data, seed) give for item i; a run longer than `count` items takes the same ones
again. Of the latents mean and log variance are stored, so that every step draws its own sample, by
the key that it has without a cache: with the cache's seed a run has the losses that it has without
one (precision=fp32: to rounding of sketches and first pictures to 8 bits).

A run that was stopped goes on with the same command to the same bytes.
"""

import logging

from train.engine.config import parse
from train.engine.stop import GO_ON, run_command
from train.recipes.cache import CacheConfig, build_cache


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    config = parse(CacheConfig, arguments, __doc__)
    facts = build_cache(config)
    print(f"{config.out}: {facts['count']} windows with {', '.join(facts['parts'])}")


if __name__ == "__main__":
    run_command(main, GO_ON)
