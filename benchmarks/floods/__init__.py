"""What a hostile client does to others, with each transport, and behind each proxy."""
