"""The Django project: composition root of the bridge and the money core."""
