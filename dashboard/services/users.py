"""Users: see them, add them, change what they may do.  Nobody gives away more than they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monarq.jobs.identity import new_job_id

from ..access.caller import Caller
from ..access.grants import Grants
from ..access.guard import Guard
from ..access.permissions import Permission
from ..audit import Audit
from ..auth.authenticator import USER
from ..auth.passwords import Passwords, fault_of
from ..auth.sessions import Sessions
from ..directory.directory import Directory, User
from ..errors import InvalidRequest, NameTaken, NotThere

_WHAT = "user"


class UserService:
    """Users, for those who may manage them: it takes a grant that is not limited to queues or kinds."""

    def __init__(
        self, directory: Directory, sessions: Sessions, passwords: Passwords, guard: Guard, audit: Audit
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._passwords = passwords
        self._guard = guard
        self._audit = audit

    async def list(self, caller: Caller, *, after: str, limit: int) -> Sequence[User]:
        """Users by id, those after `after`."""
        await self._guard.require(caller, Permission.USERS_READ)
        return await self._directory.users(after=after, limit=limit)

    async def get(self, caller: Caller, user_id: str) -> User:
        """One of them."""
        await self._guard.require(caller, Permission.USERS_READ)
        return await self._known(user_id)

    async def create(self, caller: Caller, *, name: str, password: str | None, grants: Grants) -> User:
        """Add one.  Without a password, a one-time login lets them in.

        Raises:
            NotPermitted: The grants permit more than the caller may do.
            InvalidRequest: The password or a role cannot be used.
            NameTaken: Another user has the name.
        """
        await self._guard.require(caller, Permission.USERS_WRITE)
        user = User(id=new_job_id(), name=name, grants=grants, created_by=caller.name)
        await self._check_grants(caller, grants, user.id)
        kept = await self._directory.add_user(replace(user, password_hash=await self._hashed(password)))
        if kept is None:
            raise NameTaken(_WHAT)
        await self._audit.record(caller, "user.create", name, grants=_told(grants))
        return kept

    async def change(
        self,
        caller: Caller,
        user_id: str,
        *,
        grants: Grants | None = None,
        password: str | None = None,
        is_active: bool | None = None,
    ) -> User:
        """Change what is given.  A new password, and being disabled, end all logins of theirs.

        Raises:
            NotPermitted: The user may do more than the caller, or would.
        """
        user = await self._manageable(caller, user_id)
        if grants is not None:
            await self._check_grants(caller, grants, user.id)
        kept = await self._directory.change_user(
            user.id, grants=grants, password_hash=await self._hashed(password), is_active=is_active
        )
        if kept is None:
            raise NotThere(_WHAT)
        if password is not None or is_active is False:
            await self._sessions.end_all(user.id)
        before, after = _changed(user, kept)
        new_password = True if password is not None else None
        await self._audit.record(
            caller, "user.change", user.name, before=before, after=after, new_password=new_password
        )
        return kept

    async def delete(self, caller: Caller, user_id: str) -> None:
        """Forget one, with their tokens and logins."""
        user = await self._manageable(caller, user_id)
        if not await self._directory.delete_user(user.id):
            raise NotThere(_WHAT)
        await self._sessions.end_all(user.id)
        await self._audit.record(caller, "user.delete", user.name)

    async def offer_login(self, caller: Caller, user_id: str) -> tuple[User, str]:
        """A secret that logs a user in, once and soon: for who has no password yet, or has forgotten it.

        Raises:
            InvalidRequest: The user is disabled.
            NotPermitted: The user may do more than the caller.
        """
        user = await self._manageable(caller, user_id)
        if not user.is_active:
            raise InvalidRequest({"#": "the user is disabled"})
        secret = await self._sessions.offer_login(user.id)
        await self._audit.record(caller, "user.login_link", user.name)
        return user, secret

    async def _manageable(self, caller: Caller, user_id: str) -> User:
        await self._guard.require(caller, Permission.USERS_WRITE)
        user = await self._known(user_id)
        if user.id == caller.user_id:
            raise InvalidRequest({"#": "nobody changes or deletes themselves; ask another admin, or the CLI"})
        # who could set the password of somebody who may do more could do all that they may
        await self._guard.require_to_give(caller, user.grants, USER + user.id)
        return user

    async def _known(self, user_id: str) -> User:
        user = await self._directory.user(user_id)
        if user is None:
            raise NotThere(_WHAT)
        return user

    async def _check_grants(self, caller: Caller, grants: Grants, user_id: str) -> None:
        if (role := self._guard.unknown_role(grants)) is not None:
            raise InvalidRequest({"#/grants": f"there is no role {role}"})
        await self._guard.require_to_give(caller, grants, USER + user_id)

    async def _hashed(self, password: str | None) -> str | None:
        if password is None:
            return None
        if (fault := fault_of(password)) is not None:
            raise InvalidRequest({"#/password": fault})
        return await self._passwords.hashed(password)


def _told(grants: Grants) -> list[dict[str, object]]:
    return [grant.model_dump(mode="json", exclude_defaults=True) for grant in grants]


def _changed(old: User, new: User) -> tuple[dict[str, object], dict[str, object]]:
    """What differs, as it was and as it is."""
    before: dict[str, object] = {"grants": _told(old.grants), "is_active": old.is_active}
    after: dict[str, object] = {"grants": _told(new.grants), "is_active": new.is_active}
    names = [name for name in before if before[name] != after[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}
