"""Penalties with corners: the path of strengths, working sets, and reduced problems on them."""
