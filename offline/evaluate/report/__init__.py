"""What an evaluation found, and the files that say it."""
