"""The search of one head's options: its trials, kept in a study, and the run of the best."""
