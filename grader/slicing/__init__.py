"""Program slicing: which statements of a notebook an answer depends on."""
