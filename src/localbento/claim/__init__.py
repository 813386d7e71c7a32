"""What is being claimed about an execution, with no proof in sight."""
