"""Finds the packages: `cli/` is installed as `mmfeat_cli`, everything else under its own name."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["mmfeat", "mmfeat.*"]),
        "mmfeat_cli",
        *(f"mmfeat_cli.{name}" for name in find_packages("cli")),
    ]
)
