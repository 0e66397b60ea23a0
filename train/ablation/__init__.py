"""Parts of `train.ablate`: the runs, what they will cost, and the tables and figures of them."""
