"""What makes a gradient look like white noise when a sampler's noise is tilted towards a reward: docs/noisetilt.md."""

from .order_statistic_whitening import OrderStatisticWhitener
from .preconditioner import WhiteGaussianProjector

# By the names that the node has. "both", the intervals and then the projection, looks whitest.
WHITENINGS = {
    "both": OrderStatisticWhitener(),
    "NoiseTilt": OrderStatisticWhitener(project=False),
    "GPER": WhiteGaussianProjector(),
}
