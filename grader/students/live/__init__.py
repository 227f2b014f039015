"""`%check`: the public checks, asked of the notebook that is open, in its own kernel.

No fork, no sandbox and no second process: so it works wherever Jupyter does, and for one's own code that is fine.
"""
