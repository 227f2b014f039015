"""What students get of a rubric: its public checks, with what the reference answered to them, recorded."""
