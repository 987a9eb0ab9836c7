"""Our spaces and values as compiler_gym's protobuf messages. Service side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler_gym.service import proto

from colt_llvm.env import observations
from colt_llvm.env.engine import Actions

ACTION_SPACE_NAME = "passes"


def action_space(actions: Actions) -> Any:
    return proto.ActionSpace(
        name=ACTION_SPACE_NAME,
        space=proto.Space(named_discrete=proto.NamedDiscreteSpace(name=[name for name, _ in actions])),
    )


def observation_space(space: observations.Space) -> Any:
    return proto.ObservationSpace(
        name=space.name,
        space=_space(space),
        deterministic=space.deterministic,
        platform_dependent=space.kind in (observations.BYTES, observations.SECONDS) or "Object" in space.name,
        default_observation=event(space.kind, _DEFAULTS[space.kind](space)),
    )


def _space(space: observations.Space) -> Any:
    up = proto.Int64Range(min=0)
    if space.kind == observations.INT:
        return proto.Space(int64_value=up)
    if space.kind == observations.TEXT:
        return proto.Space(string_value=proto.StringSpace(length_range=up))
    if space.kind == observations.BYTES:
        return proto.Space(byte_sequence=proto.ByteSequenceSpace(length_range=up))
    if space.kind == observations.SECONDS:
        return proto.Space(
            double_sequence=proto.DoubleSequenceSpace(length_range=up, scalar_range=proto.DoubleRange(min=0))
        )
    if space.kind == observations.VECTOR:
        return proto.Space(
            int64_box=proto.Int64Box(
                low=proto.Int64Tensor(shape=[space.size], value=[0] * space.size),
                high=proto.Int64Tensor(shape=[space.size], value=[(1 << 63) - 1] * space.size),
            )
        )
    from colt_llvm.llvm import features

    names = features.AUTOPHASE_NAMES if space.name.startswith("Autophase") else features.INST_COUNT_NAMES
    if not space.name.startswith("Autophase"):
        names = tuple(f"{name}Count" for name in names)
    return proto.Space(space_dict=proto.DictSpace(space={name: proto.Space(int64_value=up) for name in names}))


_DEFAULTS: Mapping[str, Any] = {
    observations.INT: lambda space: 0,
    observations.TEXT: lambda space: "",
    observations.BYTES: lambda space: b"",
    observations.SECONDS: lambda space: [],
    observations.VECTOR: lambda space: [0] * space.size,
    observations.DICT: lambda space: {},
}


def event(kind: str, value: Any) -> Any:
    """One observed value as a message."""
    if kind == observations.INT:
        return proto.Event(int64_value=value)
    if kind == observations.TEXT:
        return proto.Event(string_value=value)
    if kind == observations.BYTES:
        return proto.Event(byte_tensor=proto.ByteTensor(shape=[len(value)], value=value))
    if kind == observations.SECONDS:
        return proto.Event(double_tensor=proto.DoubleTensor(shape=[len(value)], value=value))
    if kind == observations.VECTOR:
        values = [int(entry) for entry in value]
        return proto.Event(int64_tensor=proto.Int64Tensor(shape=[len(values)], value=values))
    return proto.Event(
        event_dict=proto.DictEvent(event={name: proto.Event(int64_value=count) for name, count in value.items()})
    )
