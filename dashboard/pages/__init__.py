"""Pages: the dashboard for people.  Plain HTML that is complete without a script; scripts make it live.

One file per page, and its templates in a folder of the same name:

    router = APIRouter(route_class=Page)

    @router.get("/queues", openapi_extra=needs(Permission.QUEUES_READ))
    async def show_queues(request: Request, caller: TheCaller, services: TheServices) -> Response:
        queues = await services.queues.list(caller)
        return await page(request, "queues/list.html", title="Queues", queues=queues)

    @router.post("/queues/{queue:path}/pause", openapi_extra=needs(Permission.QUEUES_PAUSE))
    async def pause(
        queue: QueueName, form: Annotated[PauseForm, Form()], request: Request, caller: TheCaller,
        services: TheServices,
    ) -> Response:
        await services.queues.pause(caller, queue, why=form.why, …)
        return go_on(request, "/queues", queue, told=f"{queue} is paused.")

- `Page` is `Guarded` for people: who is not logged in is asked to, and every error that a service raises is
  an HTML page.  Raise what the API raises.  Pages ask the services that the API asks; they decide nothing.
- A form posts `application/x-www-form-urlencoded` to a path of its own, is a pydantic model (`Body`), and is
  answered by `go_on`: 303, with a line that the next page shows once.
- A new router joins `ROUTERS` in `app.py`, and the sidebar by a line in `navigation.py`.

A template fills the blocks of `layout.html` (`content`, `actions` beside the heading, `scripts`):

    {% extends "layout.html" %}
    {% block content %}
    {% call ui.live("queues", "queues workers") %}
      {% call ui.table("Queues", [{"title": "Queue"}, {"title": "Ready", "number": true, "sort": "ready"}]) %}
        <tr><th scope="row"><a href="{{ url('/queues', queue.name) }}">{{ queue.name }}</a></th>
            <td class="number">{{ queue.ready | number }}</td></tr>
      {% endcall %}
    {% endcall %}
    {% endblock %}

- Every address goes through `url(path, *segments, **parameters)`; this page with other parameters is
  `here(cursor=…)`, a file is `static("charts.js")`.  `may("queues:pause", queue=…, kind=…)` asks whether the
  caller may: show nothing that they may not.
- Filters: `number` (1,234), `count_of` (10,000+ where it was capped), `duration` and `rough` (seconds or
  timedelta), `bytes`, `plural`.  Macros, in `templates/parts/`, all as `ui.…`: `state` `age` `until` `moment`
  `stamp` `table` `pager` `live` `confirm` `button` `field` `choice` `copy` `empty` `notice` `tile` `facts`
  `bar` `id` `tabs` `icon`.
- The policy of the site allows no inline script and no inline style: classes and SVG attributes only.  Extra
  scripts: `{% block scripts %}<script src="{{ static('charts.js') }}" defer></script>{% endblock %}`.
- An `ETag` comes by itself; what `ui.age` and `ui.stamp` show does not count, so that a page that only became
  older is a 304.  Do not print a moment otherwise.
- `ui.live(id, topics)` is fetched anew from the same address whenever one of its topics changes
  (`static/live.js`).  Its id, and those of its rows (`<tr id="queue-…">`), must be stable: the new content is
  morphed into the old one.  While something in it has the focus, or is ticked, no row comes, goes or moves by
  itself; with `pill=true` never.  After each change the region gets the event `monarq:refreshed`.
- Rows for the keyboard: `<tr data-row>`; Enter opens the first link of one, `x` ticks its checkbox.
"""
