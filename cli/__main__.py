"""`python -m mmfeat_cli` is `mmfeat`."""

from mmfeat_cli.main import main

main()
