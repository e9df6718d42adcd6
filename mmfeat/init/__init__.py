"""The settings of a new project, proposed from what lies in a folder."""
