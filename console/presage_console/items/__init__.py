"""The page Items: what is popular and in stock, and which items go together."""
