"""The machine as the manual and the platform have it: pure functions, no host."""
