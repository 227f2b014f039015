"""The only code of this package that is mounted into the sandbox; it imports nothing else of `grader`."""
