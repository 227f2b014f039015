"""What people read: a page for each submission, a page and a table for all of them."""
