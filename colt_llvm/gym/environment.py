"""Make any registered environment by its id, ready for ``reset``, and read its actions."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ColtError, CommandNotFound, CompileError, UsageError
from colt_llvm.core.variables import show_strange_modules
from colt_llvm.env.compat import import_compiler_gym
from colt_llvm.gym.launch import patch_gcc
from colt_llvm.gym.options import EnvironmentFailed, EnvironmentOptions

_OURS = "colt-llvm-v0"
_GCC = "gcc-v0"  # it comes with compiler_gym
_DEFAULT_GCC = "gcc"  # the package's own default is a Docker image
_PREPROCESS_SECONDS = 60


def make_environment(options: EnvironmentOptions) -> Any:
    """The environment; one of compiler_gym's without gym's wrappers. Raises UsageError, EnvironmentFailed."""
    import_compiler_gym()
    logging.getLogger("compiler_gym").setLevel(logging.ERROR)
    from colt_llvm.gym.connection import own_services

    own_services()
    if options.modules:
        show_strange_modules()
    for module in options.modules:
        _import(module)
    if options.env == _OURS:
        importlib.import_module("colt_llvm.env")  # registers it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gym and compiler_gym warn about their own age
        try:
            return _make(options)
        except (ColtError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise EnvironmentFailed(
                f"{options.env} cannot be made: {_line(error)}; check --benchmark and --option-json"
            ) from error


def _import(name: str) -> None:
    path = Path(name)
    try:
        if path.suffix == ".py":
            found = importlib.util.spec_from_file_location(path.stem, path)
            if found is None or found.loader is None or not path.is_file():
                raise UsageError(f"--import {name}: no such file")
            if path.stem not in sys.modules:
                module = importlib.util.module_from_spec(found)
                sys.modules[path.stem] = module  # so that an entry point can name it
                found.loader.exec_module(module)
            return
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        importlib.import_module(name)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"--import {name}: {_line(error)}; give a module or a Python file that can be imported"
        ) from error


def _make(options: EnvironmentOptions) -> Any:
    from compiler_gym.envs import CompilerEnv
    from gym.envs.registration import load, registry

    if options.env not in registry:
        raise UsageError(f"no environment {options.env!r} is registered; --import the module that registers it")
    spec = registry[options.env]
    made_by = load(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    if isinstance(made_by, type) and issubclass(made_by, CompilerEnv):
        return _make_compiler_env(made_by, dict(spec.kwargs), options)
    _refuse_spaces(options)
    import gym

    arguments = dict(options.arguments)
    if options.benchmark is not None:
        arguments["benchmark"] = options.benchmark
    return gym.make(options.env, disable_env_checker=True, **arguments)


def _refuse_spaces(options: EnvironmentOptions) -> None:
    for name in ("reward", "observation", "action_space"):
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(
                f"{options.env} is no environment of compiler_gym and has one {name}; leave out --{option}"
            )


def _make_compiler_env(made_by: type, given: dict[str, Any], options: EnvironmentOptions) -> Any:
    given.update(options.arguments)
    if options.env == _GCC:
        patch_gcc()
        given.setdefault("gcc_bin", _DEFAULT_GCC)
    if options.benchmark is not None:
        given["benchmark"] = _benchmark(options, given)
    elif options.env == _GCC:
        raise UsageError("gcc-v0 downloads its own benchmarks; give a C file: --benchmark FILE.c")
    env = made_by(**given)
    try:
        set_spaces(env, options)
    except BaseException:
        close_quietly(env)
        raise
    return env


def _benchmark(options: EnvironmentOptions, given: dict[str, Any]) -> Any:
    """A file as one benchmark; anything else is a URI for the environment to resolve."""
    from compiler_gym.datasets import Benchmark

    assert options.benchmark is not None
    path = Path(options.benchmark)
    if not path.is_file():
        if path.suffix in (".c", ".cc", ".cpp", ".ll", ".bc"):
            raise UsageError(f"--benchmark {options.benchmark}: no such file")
        return options.benchmark
    uri = f"benchmark://user-v0/{path.name}"
    if options.env == _GCC and not str(given["gcc_bin"]).startswith("docker:"):
        return Benchmark.from_file_contents(uri, _preprocessed(str(given["gcc_bin"]), path.resolve()))
    return Benchmark.from_file(uri, path)


def set_spaces(env: Any, options: EnvironmentOptions) -> None:
    """Choose the spaces that are asked for in an environment of compiler_gym. Raises UsageError."""
    if options.benchmark is not None and Path(options.benchmark).is_file() and hasattr(env, "make_benchmark"):
        env.benchmark = env.make_benchmark(Path(options.benchmark))  # it knows best what to make of a file
    if options.action_space is not None:
        names = [space.name for space in env.action_spaces]
        if options.action_space not in names:
            raise UsageError(f"--action-space {options.action_space}: give one of {', '.join(names)}")
        env.action_space = options.action_space
    if options.observation is not None:
        _one_of("--observation", options.observation, env.observation.spaces)
        env.observation_space = options.observation
    rewards = env.reward.spaces
    if options.reward is not None:
        _one_of("--reward", options.reward, rewards)
        env.reward_space = options.reward
    elif env.reward_space is None:
        if len(rewards) != 1:
            raise UsageError(f"{options.env} has no reward of its own choice; give --reward, one of {_some(rewards)}")
        env.reward_space = next(iter(rewards))


def _one_of(option: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value}: give one of {_some(known)}")


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names))) or "those that the environment defines (it has none)"


def action_names(env: Any) -> tuple[str, ...]:
    """The actions of a discrete space, by name where they have names, else by number. Raises UsageError."""
    space = env.action_space
    count, names = getattr(space, "n", None), getattr(space, "names", None)
    if count is None or int(count) < 1:
        raise UsageError(
            f"the action space {space} is not discrete; only environments with one list of actions will do"
        )
    texts = [str(name) for name in names] if names else [str(number) for number in range(int(count))]
    if len(set(texts)) == len(texts):
        return tuple(texts)
    return tuple(f"{text}#{number}" if texts.count(text) > 1 else text for number, text in enumerate(texts))


def space_name(env: Any, attribute: str) -> str | None:
    """Name of the reward or observation space in use; None where spaces have no names."""
    spec = getattr(env, attribute, None)
    name = getattr(spec, "name", None) or getattr(spec, "id", None)
    return None if name is None else str(name)


def can_fork(env: Any) -> bool:
    """Whether ``env.fork()`` is there and cheap: compiler_gym's own falls back to a whole new service where it must."""
    fork = getattr(env, "fork", None)
    if not callable(fork):
        return False
    from compiler_gym.service.client_service_compiler_env import ClientServiceCompilerEnv
    from compiler_gym.service.proto import EndSessionRequest, ForkSessionRequest

    from colt_llvm.gym.connection import OwnedConnection

    if not isinstance(env, ClientServiceCompilerEnv) or type(env).fork is not ClientServiceCompilerEnv.fork:
        return True
    service = env.service
    if not isinstance(service.connection, OwnedConnection):
        return False  # compiler_gym's own Python service stores forks over another session
    try:
        reply = service(service.stub.ForkSession, ForkSessionRequest(session_id=env._session_id))
        service(service.stub.EndSession, EndSessionRequest(session_id=reply.session_id))
    except Exception:
        return False
    return True


def close_quietly(env: Any) -> None:
    """Close, whatever state it is in. A fork of a dead service would start a new one only to end it."""
    from colt_llvm.gym.connection import is_dead

    with contextlib.suppress(Exception):
        if is_dead(env):
            env._session_id = None
    with contextlib.suppress(Exception):
        env.close()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _preprocessed(gcc: str, source: Path) -> bytes:
    """The source with its includes, as the environment wants it: it compiles one file in a folder of its own.

    Raises CompileError, CommandNotFound.
    """
    command = [gcc, "-E", "-P", source.name]
    try:
        done = subprocess.run(
            command, cwd=source.parent, capture_output=True, timeout=_PREPROCESS_SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise CommandNotFound(f"{gcc}: not found; install gcc, or give --option-json '{{\"gcc_bin\": PATH}}'") from None
    except subprocess.TimeoutExpired:
        raise CompileError(f"{source}: not preprocessed after {_PREPROCESS_SECONDS} s; give a smaller file") from None
    if done.returncode:
        diagnostics = done.stderr.decode(errors="replace")
        raise CompileError(f"{source}: {gcc} -E fails; make it compile first", diagnostics)
    return done.stdout
