"""The rv32im machine: chips, buses, the records that an execution leaves, and profiles of heights."""
