"""How a bundle travels: the manifest that tells damage, and the Hugging Face hub."""
