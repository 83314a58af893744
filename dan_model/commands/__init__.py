"""The command line: one file per command or family of commands, put together in `app`.

`options` and `terminal` have what several commands share.
"""
