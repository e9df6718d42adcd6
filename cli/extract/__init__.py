"""Commands of stage one."""
