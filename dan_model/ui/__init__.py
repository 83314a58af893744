"""The page, the only room with Gradio.

Read in this order: `session` (what is stored of a visitor), `weights_cache`, `context` (what every panel needs),
`results` (which component shows what, and when), `panels` (one file each), `page` (the panels put together), `api` (the
HTTP API), `theme` (how it looks, and how it is launched).
"""
