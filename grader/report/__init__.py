"""What people read: a page for each submission, one for each question, and a page and a table over the class."""
