"""What a grading says, and of whom: the records that all other parts read and write."""
