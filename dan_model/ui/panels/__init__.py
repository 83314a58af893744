"""The panels of the page, one file each: what it shows, what happens, its wiring last.

`photo` and `request` say what is explained, and `model` with which weights. `prediction` and `tiles` show the first
results. `heads`, `fusion` (with `bench`), `attributions`, `faithfulness` and `classes` are the tabs. No panel imports
another one: `page` puts them together.
"""
