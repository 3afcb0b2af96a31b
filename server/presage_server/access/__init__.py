"""Who may call what: tokens, the scopes that methods need, and the check of each call before its request is parsed."""
