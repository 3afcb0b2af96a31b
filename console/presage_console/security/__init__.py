"""Who may open and change what: headers, the names that requests are for, other sites' forms, sign-in."""
