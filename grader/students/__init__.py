"""What students and their repositories run themselves: the bundle, the command, the magic, the reports."""
