"""How long the heads train, side by side with what one would write otherwise."""
