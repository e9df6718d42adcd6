"""The command line of mmfeat, installed as `mmfeat_cli`: one file per command."""
