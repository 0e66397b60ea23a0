"""The paper's ablations at a small scale: rectification, decoder and sketch encoder.

    python -m benchmarks.ablation --config benchmarks/ablation/cpu.yaml data=CLIPS out=DIR

Trains a base that has never seen a cartoon, from it the rectification variants I to V and the
decoder variants, and from the rectified model both sketch encoders: equal steps, several seeds.
Then Tables 3 and 4, the curve of figure 10 and sheets as figures 6 to 9 are written on fixed
held-out clips, all named in out/report.md. It goes on where it was stopped or killed;
docs/ablation.md says what is compared.
"""

import logging
import sys

from benchmarks.ablation.plan import AblationConfig
from benchmarks.ablation.run import ablate
from train.engine.config import parse
from train.engine.stop import GO_ON, exit_on_user_error

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    config = parse(AblationConfig, sys.argv[1:], __doc__)
    with exit_on_user_error(GO_ON):
        ablate(config)
