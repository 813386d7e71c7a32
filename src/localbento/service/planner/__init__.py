"""What has to be done for a job, as numbered tasks."""
