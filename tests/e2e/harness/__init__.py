"""What the end-to-end tests start, drive and read. See ../README.md."""
