"""Upkeep of a workspace: runs are removed, and what nobody needs any more is cleaned away."""
