"""Proving a rubric right: other solutions must pass it, mistakes must not."""
