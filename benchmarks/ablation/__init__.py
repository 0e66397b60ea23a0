"""The paper's ablations at a small scale, with the recipes and the evaluation of `train`."""
