"""Measurements of stage one: encoding, stores."""
