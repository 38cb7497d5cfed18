"""Renderers: from a leaderboard to a terminal, HTML, LaTeX, Markdown or CSV."""
