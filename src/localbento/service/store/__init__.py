"""Where inputs and outputs of tasks lie."""
