"""Many submissions: which files, over which workers, what is already done, and everything in its place."""
