import os

import pytest
import torch

# No test downloads: a missing file must fail at once, not after a time-out of the hub.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def seed():
    """Each test starts from the same random state, whichever tests ran before it."""
    torch.manual_seed(0)
