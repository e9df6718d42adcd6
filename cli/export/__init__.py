"""Commands that give the winner away."""
