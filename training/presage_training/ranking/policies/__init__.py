"""What another policy would have brought, estimated from lists that were shown with known probabilities."""
