"""Marking in the browser: a server on one's own machine, and the rules by which it hands out answers."""
