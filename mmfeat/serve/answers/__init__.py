"""From decoded rows to what is said of them."""
