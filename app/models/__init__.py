"""Tables. They store and do not validate; only the stores see them."""

from app.models import access, dossiers, persons, register

__all__ = ["access", "dossiers", "persons", "register"]
