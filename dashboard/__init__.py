"""Seeing and steering: the pages and the HTTP API over jobs, queues and workers.

    access/     who may do what: permissions, roles, grants, scopes; the guard that demands them
    auth/       who is it: passwords, sessions, API tokens, JWTs
    directory/  who is known: users and tokens, in PostgreSQL or in the settings
    services/   what can be done; each demands the permission itself, and asks the stores
    routes/     HTTP for programs: parse, let a service decide, tell what it says
    pages/      HTML for people, over the same services; templates/ and static/ are theirs
    app.py      all of it as one ASGI app, with what holds for every request around it

A call goes downwards only: page or route, service, store.  Needs the packages of `monarq[dashboard]`.
"""
