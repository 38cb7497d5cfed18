"""The commands, one module each or a few that belong together; `cli` puts them together.

Heavy imports happen inside a command, so that the help stays quick.
"""
