"""The winner: what was compared, and the run that a command takes where none is named."""
