"""Campaigns: hostile input, load and long use. Short ones run in `make test`, long ones in `make soak`.

In the order in which to read it: what a process holds (`measuring`), what runs under watch (`watching`), how files are
changed (`mutations`); hostile images, checkpoints and calls; the page in a process of its own (`served`), its visitors
(`visitors`), many at once (`load`), long use (`soak`).
"""
