"""Put trained parts together into one file to ship: fp16, in the released layout.

    python -m train.assemble base=RUN/model.safetensors out=model.safetensors \\
        [decoder=RUN2/model.safetensors] [credit="..."] [recipe.steps=6 ...]

decoder= is a model whose decoder was trained (`train.decoder`) while the denoiser of base= was:
the autoencoder is taken from there. recipe.NAME= changes what base= says of how it is sampled
(fields of `toon_core.recipe`), which evaluations follow. The colours of ComfyUI's live preview are
fitted to the autoencoder. The result loads in `toon_core.load` and in the loader node, and the runs
it came from are in its metadata and beside it.
"""

from train.engine.config import parse
from train.engine.stop import run_command
from train.recipes.assemble import AssembleConfig, assemble


def main(arguments: list[str]) -> None:
    path = assemble(parse(AssembleConfig, arguments, __doc__))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main)
