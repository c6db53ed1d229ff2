"""Arguments that name apps, images and instances, with what a shell completes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import click

from unishare.cli.session import Session
from unishare.errors import UnishareError
from unishare.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def app_argument(name: str, **attributes: Any) -> Callable[[F], F]:
    """An argument for apps of the catalogue."""
    return click.argument(name, shell_complete=_complete_apps, **attributes)


def image_argument(name: str, **attributes: Any) -> Callable[[F], F]:
    """An argument for images, or instances that run."""
    return click.argument(name, shell_complete=_complete_images, **attributes)


def instance_argument(name: str, **attributes: Any) -> Callable[[F], F]:
    """An argument for instances."""
    return click.argument(name, shell_complete=_complete_instances, **attributes)


def _complete_apps(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from unishare.toolchain.recipes.catalog import Catalog

    return [name for name in Catalog.from_here().app_names() if name.startswith(incomplete)]


def _complete_images(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    built = {folder.name for folder in _settings(context).images.glob("*/*") if (folder / "manifest.json").is_file()}
    layouts = {f"{folder.parent.name}:{folder.name}" for folder in _settings(context).images.glob("*/*")}
    images = sorted(name for name in built | layouts if name.startswith(incomplete))
    return [*images, *_complete_instances(context, parameter, incomplete)]


def _complete_instances(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from unishare.fleet import launcher

    async def ask() -> list[str]:
        control = await launcher.running_or_none(_settings(context))
        if control is None:
            return []
        async with control:
            return [instance.instance for instance in await control.list()]

    try:
        return [name for name in asyncio.run(ask()) if name.startswith(incomplete)]
    except (UnishareError, OSError):
        return []  # A shell that completes has no place for an error; the command itself will say it.


def _settings(context: click.Context) -> Settings:
    session = context.find_object(Session)
    return session.settings if session else Settings.from_environment()
