"""A small world to ship: FLUX of one step and of many that imitate a painter, two rewards, a judge of realism."""

from .world import (
    DemoWorld,
    asset_path,
    conditions,
    load_flow,
    load_held_out_reward,
    load_realism,
    load_reward,
    load_world,
)

__all__ = [
    "DemoWorld",
    "asset_path",
    "conditions",
    "load_flow",
    "load_held_out_reward",
    "load_realism",
    "load_reward",
    "load_world",
]
