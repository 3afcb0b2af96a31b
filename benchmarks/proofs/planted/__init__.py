"""Challengers planted to be worse, better and equal, judged by the whole loop: servers, archive, verdicts, aliases, servers."""
