"""The continuous audit: an archive is followed while it grows, and served vectors are compared with a replay."""
