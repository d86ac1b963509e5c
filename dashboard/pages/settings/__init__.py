"""`/settings`: one's own account; tokens, users and roles; how the installation is set up; the HTTP API."""

from __future__ import annotations

from fastapi import APIRouter

from . import account, configuration, reference, tokens, users

routers: tuple[APIRouter, ...] = (
    account.router,
    tokens.router,
    users.router,
    configuration.router,
    reference.router,
)
