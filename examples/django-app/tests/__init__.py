"""The app's tests: `python manage.py test`."""
