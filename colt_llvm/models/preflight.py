"""Before a search: what would make every call fail is told at once, before anything is built or asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.specs import key_of

_TIMEOUT_SECONDS = 5.0


def preflight(specs: Iterable[ModelSpec], environment: Mapping[str, str] = os.environ) -> None:
    """Raises UsageError for a missing key, or one that the endpoint refuses. Anything else of endpoints is let pass.

    Raises WeightsError for a file of the user's own policies that is gone or has changed.

    Each endpoint is asked once for its list of models, which costs nothing and is not counted as a call.
    """
    specs = list(specs)
    for spec in specs:
        if spec.can.check is not None:
            spec.can.check(spec)
    specs = [spec for spec in specs if spec.can.has_endpoint]
    keys = {spec.name: key_of(spec, environment) for spec in specs}
    seen = set()
    for spec in specs:
        place = (spec.base_url, spec.key_variable)
        if place not in seen:
            seen.add(place)
            _try_key(spec, keys[spec.name])


def _try_key(spec: ModelSpec, key: str | None) -> None:
    from colt_llvm.models.http_client import HttpClient

    http = HttpClient(spec, key)
    try:
        status = http.send("GET", "/models", None, _TIMEOUT_SECONDS).status
    except Exception:
        # Slow, or down for the moment: the calls themselves will tell.
        return
    finally:
        http.close()
    if status in (401, 403):
        remedy = (
            f"export a valid key in ${spec.key_variable}"
            if spec.key_variable
            else "name the variable that holds its key with key_variable"
        )
        raise UsageError(f"model {spec.name}: {spec.base_url} refuses access ({status}); {remedy}")
