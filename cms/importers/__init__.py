"""Readers of other systems' content: each turns what it is given into stories, once."""
