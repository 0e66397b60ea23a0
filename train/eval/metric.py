"""What a column of the tables is."""

from dataclasses import dataclass
from typing import Literal

HIGHER, LOWER, TRUTH = "higher is better", "lower is better", "nearer to the truth is better"
NO_MODEL = "no model"
Estimator = Literal["fvd", "kvd", "kvd_paired"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One column. `model` names its network, is None without one and NO_MODEL where it is absent.

    `of_set`: which estimator gives one value for all clips together, None where each has its own;
    `kvd_paired` leaves each clip's own truth out of what it is compared with. `sampled`: measured
    on the frames of `network_frames` only.
    """

    key: str
    title: str
    better: str
    digits: int
    meaning: str
    model: str | None = None
    of_set: Estimator | None = None
    sampled: bool = False
