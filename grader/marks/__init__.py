"""Marking by file: score files made for people to fill in, read and entered."""
