"""What `bento bench` runs: figures for a user, no assertions."""
