"""The page's modules, called one by one where a run would not lead to the case."""

import pytest


@pytest.fixture(scope="module")
def call(frontend, server):
    """Evaluate a JavaScript function of a module: call("reward_chart.js", "m => ...")."""

    def call(module, function, argument=None):
        address = f"/extensions/{server.pack_folder}/js/{module}"
        return frontend.page.evaluate(f"async argument => ({function})(await import({address!r}), argument)", argument)

    return call


DRAW = """(m, curves) => {
    const chart = new m.RewardChart();
    chart.show(curves);
    return {
        paths: [...chart.element.querySelectorAll('path')].reverse().map(path => path.getAttribute('d')),
        best: chart.best.hidden ? null : [chart.best.style.left, chart.best.title],
        axis: chart.axis.hidden ? null : [chart.low.textContent, chart.high.textContent],
    };
}"""


def test_a_long_curve_is_drawn_with_few_points_to_its_end(call):
    curve = [step**0.5 for step in range(10001)]
    drawn = call("reward_chart.js", DRAW, [curve])
    assert 200 < drawn["paths"][0].count("L") <= 401
    assert drawn["paths"][0].endswith("L100 6")
    assert drawn["axis"] == ["0.000", "100.0"]


def test_a_short_curve_does_not_fill_the_width(call):
    drawn = call("reward_chart.js", DRAW, [[1.0, 2.0, 1.5]])
    assert drawn["paths"] == ["M0 94L10 6L20 50"]
    assert drawn["best"] == ["10%", "best step: 1"]


def test_a_value_that_is_missing_leaves_a_gap(call):
    drawn = call("reward_chart.js", DRAW, [[0.0, None, 1.0, 1.0]])
    assert drawn["paths"] == ["M0 94M20 6L30 6"]


@pytest.mark.parametrize("curve, path, best", [([3.0, 3.0], "M0 50L10 50", "best step: 0"), ([None], "", None)])
def test_flat_and_empty_curves(call, curve, path, best):
    drawn = call("reward_chart.js", DRAW, [curve])
    assert drawn["paths"] == [path]
    assert (drawn["best"] and drawn["best"][1]) == best


def test_several_curves_each_fill_the_height(call):
    drawn = call("reward_chart.js", DRAW, [[0.0, 1.0], [1000.0, 1001.0]])
    assert drawn["paths"][0] == drawn["paths"][1] and drawn["axis"] is None


@pytest.mark.parametrize(
    "value, text",
    [(None, "–"), (0.28701, "0.2870"), (5.0, "5.000"), (-21.5, "-21.50"), (1234.56, "1235"), (123456.7, "123457")],
)
def test_numbers(call, value, text):
    assert call("elements.js", "(m, value) => m.number(value)", value) == text


@pytest.mark.parametrize(
    "seconds, text",
    [(0.0213, "0.02 s"), (1.24, "1.2 s"), (12.6, "13 s"), (99.4, "99 s"), (150, "3 min"), (9000, "2.5 h")],
)
def test_durations(call, seconds, text):
    assert call("elements.js", "(m, seconds) => m.duration(seconds)", seconds) == text


SHOW = """(m, told) => {
    const panel = new m.LivePanel();
    panel.show({
        state: 'running', history: [[1]], curves: ['x'], watched: [false], steps: 3, seeds: 0, settings: '', best: 1,
        seconds_left: 1, seconds_per_step: 1, picture_count: 0, ...told,
    });
    return [...panel.notes.children].map(note => [note.className, note.textContent]);
}"""


@pytest.mark.parametrize(
    "told, notes",
    [
        (dict(in_seeds="", warning=""), []),
        (dict(in_seeds="above all 16"), [["", "best: above all 16"]]),
        (dict(in_seeds="a", warning="likely fooled"), [["gper-warning", "likely fooled"], ["", "best: a"]]),
    ],
)
def test_what_the_best_score_is_worth_and_what_looks_wrong(call, told, notes):
    assert call("live_panel.js", SHOW, told) == notes


HEAR = """(m, [known, events]) => {
    const shown = [], ascents = new m.Ascents(ascent => shown.push([...ascent.history]));
    let asked = 0;
    ascents.ask = () => { asked += 1; };
    if (known) ascents.runs.set('r', { run: 'r', history: known });
    for (const event of events) ascents.hear({ run: 'r', state: 'running', ...event });
    return [shown, asked];
}"""


@pytest.mark.parametrize(
    "known, events, shown, asked",
    [
        ([[1]], [dict(step=1, values=[2]), dict(step=2, values=[3])], [[[1], [2]], [[1], [2], [3]]], 0),
        (None, [dict(step=4, values=[2])], [], 1),  # a page that knows nothing
        ([[1]], [dict(step=3, values=[2])], [], 1),  # a step was missed
        ([[1], [2]], [dict(step=1, values=[2], state="done")], [[[1], [2]]], 0),  # its end
        ([], [dict(step=-1, values=[], state="failed")], [[]], 0),  # cancelled while the models load
    ],
)
def test_events_continue_the_history_or_ask_for_it(call, known, events, shown, asked):
    assert call("ascents.js", HEAR, [known, events]) == [shown, asked]


ASK = """async (m, known) => {
    const shown = [], ascents = new m.Ascents(ascent => shown.push([ascent.run, ascent.state, ascent.ended]));
    known.forEach(ascent => ascents.runs.set(ascent.run, ascent));
    await ascents.ask();
    return [shown.filter(([run]) => known.some(ascent => ascent.run === run)), ascents.runs.has(known[0].run)];
}"""


def test_a_run_that_the_server_no_longer_knows_is_shown_as_lost(call):
    """As after a restart of the server; what was over before stays as it was shown."""
    running, done = (dict(run=f"before {state}", state=state, ended="", history=[[1]]) for state in ("running", "done"))
    shown, kept = call("ascents.js", ASK, [running, done])
    ((run, state, ended),) = shown
    assert run == running["run"] and state == "failed" and "server was restarted" in ended and not kept
