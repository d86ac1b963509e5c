"""The contract in each place: Redis alone, a database beside it, and the database itself."""

from collections.abc import AsyncIterator

import pytest

from .contract import LetterContract
from .graveyard import Graveyard, open_graveyard
from .page_contract import PageContract

pytestmark = pytest.mark.every_postgres


class TestInRedis(LetterContract, PageContract):
    @pytest.fixture
    async def yard(self, redis_url: str) -> AsyncIterator[Graveyard]:
        async with open_graveyard(redis_url, None) as yard:
            yield yard


class TestNotYetMoved(LetterContract, PageContract):
    @pytest.fixture
    async def yard(self, redis_url: str, database_url: str) -> AsyncIterator[Graveyard]:
        async with open_graveyard(redis_url, database_url) as yard:
            yield yard


class TestInPostgres(LetterContract, PageContract):
    @pytest.fixture
    async def yard(self, redis_url: str, database_url: str) -> AsyncIterator[Graveyard]:
        async with open_graveyard(redis_url, database_url, archived=True) as yard:
            yield yard
