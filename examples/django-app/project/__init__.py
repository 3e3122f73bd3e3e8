"""A small content-planning product, as a team might have it before igny8 stands in front of it."""
