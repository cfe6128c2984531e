"""Pictures by libvips, in a process of its own that may die of what it reads: `python -m cms.vips`.

It imports nothing of the newsroom, so that it starts fast and knows no secret.
"""
