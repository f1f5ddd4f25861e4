"""The leaderboard, compiled from records; imports neither torch nor Lightning.

:mod:`~resbench.leaderboard.compile` compiles a folder of records into tables by the rules of ``docs/rules.md``, and
:mod:`~resbench.leaderboard.render` writes these as Markdown, CSV, JSON, LaTeX and one HTML page.
"""
