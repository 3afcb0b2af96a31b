"""What audits find, and the continuous one: it follows a growing archive, and compares served vectors with a replay."""
