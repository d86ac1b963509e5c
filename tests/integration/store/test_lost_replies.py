"""Every script may be repeated after its reply was lost: the server has done it, the caller does not know."""

import pytest

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store import scripts
from monarq.jobs.store.connection import Link
from monarq.jobs.store.sync_connection import SyncLink
from tests.contract.store import Store
from tests.proxy import Proxy

from .verb_calls import CALLS, Ask, VerbCall, ask_over


@pytest.fixture(params=["link", "sync_link"])
async def ask(request: pytest.FixtureRequest, store: Store, link: Link, sync_link: SyncLink) -> Ask:
    """Sends a request through the proxy, to a server that knows all scripts."""
    for name in scripts.names():
        await store.call("SCRIPT", "LOAD", scripts.load(name).source)
    return ask_over(link if request.param == "link" else sync_link)


every_verb = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_script_is_tried() -> None:
    assert {name.partition("-")[0] for name in CALLS} == set(scripts.names())


@every_verb
async def test_a_call_is_answered(store: Store, ask: Ask, call: VerbCall) -> None:
    request = await call.prepare(store)
    assert await ask(request) == call.answer


@every_verb
async def test_a_repeat_after_a_lost_reply_changes_nothing_and_gives_the_answer(
    store: Store, proxy: Proxy, ask: Ask, call: VerbCall
) -> None:
    request = await call.prepare(store)
    before = await store.dump()
    proxy.drop_reply(1)
    with pytest.raises(StoreUnavailable):
        await ask(request)
    done = await store.dump(without=call.rewritten)
    assert call.reads or call.rewritten or done != before, (
        "the reply was dropped, but the command was not carried out"
    )
    assert await ask(request) == call.repeated
    assert await store.dump(without=call.rewritten) == done


@every_verb
async def test_the_server_learns_a_script_that_it_has_forgotten(
    store: Store, ask: Ask, call: VerbCall
) -> None:
    request = await call.prepare(store)
    await store.call("SCRIPT", "FLUSH")
    assert await ask(request) == call.answer
    await store.call("SCRIPT", "FLUSH")
    assert await ask(request) == call.repeated


@every_verb
async def test_a_repeat_after_a_lost_first_lesson_gives_the_answer(
    store: Store, proxy: Proxy, ask: Ask, call: VerbCall
) -> None:
    """The reply to EVALSHA is NOSCRIPT; the one to EVAL is lost."""
    request = await call.prepare(store)
    await store.call("SCRIPT", "FLUSH")
    proxy.drop_reply(2)
    with pytest.raises(StoreUnavailable):
        await ask(request)
    assert await ask(request) == call.repeated


@every_verb
async def test_a_reply_that_breaks_off_in_the_middle_is_no_reply(
    store: Store, proxy: Proxy, ask: Ask, call: VerbCall
) -> None:
    request = await call.prepare(store)
    proxy.cut_reply(1)
    with pytest.raises(StoreUnavailable):
        await ask(request)
    assert await ask(request) == call.repeated
