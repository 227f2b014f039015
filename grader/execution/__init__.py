"""The trusted half of running student code."""
