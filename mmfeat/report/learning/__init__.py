"""What more rows would give, on the page: the learning curve of the best run."""
