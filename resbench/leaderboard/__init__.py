"""The leaderboard that is made of records; imports neither torch nor Lightning.

:mod:`~resbench.leaderboard.compile` puts a folder of records into tables by the rules of ``docs/rules.md``, and
:mod:`~resbench.leaderboard.render` writes these as Markdown, CSV, JSON, LaTeX and one HTML page.
"""
