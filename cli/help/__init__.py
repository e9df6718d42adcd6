"""What the command line says about itself."""
