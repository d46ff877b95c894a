"""Tables. They store and do not validate; only the stores see them."""

from app.models import access, deliveries, dossiers, notices, persons, register, rounds

__all__ = ["access", "deliveries", "dossiers", "notices", "persons", "register", "rounds"]
