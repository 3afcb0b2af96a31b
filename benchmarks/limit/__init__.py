"""What a C++ server of the same calls reaches on this machine: the limit that Presage is measured against."""
