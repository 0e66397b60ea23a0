"""Train a base from nothing: denoiser, projector and CLIP towers on a trained autoencoder.

    python -m train.pretrain data=CLIPS out=RUN [autoencoder=RUN2/autoencoder.safetensors] \\
        [preset=nano | shape=FILE.yaml] [init=RUN3/model.safetensors]

Where no autoencoder is given, one is trained first by `train.autoencoder`, of as many steps, in
RUN/autoencoder. For small models of one's own, as nano is. The loss is that of `train.rectify`
(paper eq. 2); the result is a whole model file. data= may be what `train.cache autoencoder=...`
made.
"""

from train.engine.config import parse
from train.engine.stop import run_command
from train.recipes.pretrain import PretrainConfig, train


def main(arguments: list[str]) -> None:
    train(parse(PretrainConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main)
