"""Everything that runs tasks: it does not know how they prove."""
