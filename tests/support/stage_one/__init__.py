"""What tests of stage one share: small tables with pictures, extractions, stores."""
