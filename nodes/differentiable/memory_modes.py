"""What the user can choose to be kept for the backward pass; `backward_plan` says what each means."""

MODES = ("auto", "recompute", "keep")
