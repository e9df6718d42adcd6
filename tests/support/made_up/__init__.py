"""Made-up rows and scores of which the truth is known."""
