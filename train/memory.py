"""What each recipe needs of a GPU at full size, counted on the real modules without their memory.

    python -m train.memory [recipes=[rectify,sketch]] [samples=1] [dtype=bf16] \\
        [checkpointing=true] [gpus=[1,8,64]]

Prints a Markdown table in GiB. Networks and batches are fake tensors, which have a shape and no
storage; a step runs on them, forward and backward, and what would be alive at its peak is counted.
Each GPU takes `samples` clips at a time; more of a batch are accumulated. Several GPUs share by
fsdp=true what the recipe trains; the networks it only uses are on each. A sample sheet counts
where it takes more than a step: the first GPU draws it, with the weights beside their average, and
where they are shared with one more copy of the model. Beside it stand the size of a checkpoint, the
operations of a clip, and hours that the recipe's own steps would take at `tflops`, which is an
estimate. Not counted: CUDA itself and what its
allocator loses to fragments, together often 1 to 3 GiB.
"""

from __future__ import annotations

import sys

from train.engine.config import parse
from train.engine.options import check
from train.engine.stop import exit_on_user_error
from train.recipes.memory import MemoryConfig, table


def main(arguments: list[str]) -> None:
    config = parse(MemoryConfig, arguments, __doc__)
    check(config)
    for line in table(config):
        print(line, flush=True)


if __name__ == "__main__":
    with exit_on_user_error():
        main(sys.argv[1:])
