"""The command line of mmfeat, one file per command."""
