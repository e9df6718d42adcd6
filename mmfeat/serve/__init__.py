"""The winner behind HTTP: a bundle or a run answers requests, many at once."""
