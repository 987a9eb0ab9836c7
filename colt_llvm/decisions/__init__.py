"""What can be decided about one program: scopes, kinds, and what each promises before anything was tried."""

from colt_llvm.decisions.offers import Offer, Offered, offers_of
from colt_llvm.decisions.scopes import SCOPES, Scopes, default_scopes

__all__ = ["SCOPES", "Offer", "Offered", "Scopes", "default_scopes", "offers_of"]
