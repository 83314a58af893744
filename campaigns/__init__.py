"""Campaigns: hostile input, load and long use. Short ones run in `make test`, long ones in `make soak`.

In the order in which to read it: what is measured of a process (`measuring`).
"""
