"""Course sites: bulk downloads in, grade files and feedback out."""
