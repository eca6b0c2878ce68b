"""`runs/` imports other folders of the pack relatively, so its tests import it as `gper_pack.runs`, without a ComfyUI.

They take from `gper_pack` whatever meets it, such as `gper_pack.optimization.RunRecord`: the class of that name in the
top-level `optimization` is another one.
"""

from tools.pack import load_pack

load_pack()
