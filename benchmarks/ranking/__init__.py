"""Rank under load: a shop with as many items as wanted, its visitors and a model for it, and what calls to a server cost."""
