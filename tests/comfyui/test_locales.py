"""The texts of the nodes in other languages: complete, in step with the nodes, served and shown."""

import json
import re

import pytest

from tools.build_locales import ENGLISH, FOLDER, node_texts

LANGUAGES = sorted(folder.name for folder in FOLDER.iterdir() if folder.name != "en")


def read(language):
    return json.loads((FOLDER / language / "nodeDefs.json").read_text(encoding="utf-8"))


def flat(texts, path=()):
    """The texts by their path of keys."""
    if isinstance(texts, str):
        return {path: texts}
    return {key: text for name, part in texts.items() for key, text in flat(part, (*path, name)).items()}


@pytest.fixture(scope="module")
def texts(server):
    return node_texts(server.get("/object_info"), server.pack_folder)


def test_the_english_file_is_what_the_nodes_say(texts):
    assert json.loads(ENGLISH.read_text(encoding="utf-8")) == texts, "run: python -m tools.build_locales"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_every_text_and_no_other(texts, language):
    translated, english = flat(read(language)), flat(texts)
    assert sorted(translated) == sorted(english)
    assert all(text.strip() for text in translated.values())
    left = [path for path in english if path[-1] in ("tooltip", "description") and translated[path] == english[path]]
    assert left == [], "not translated"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_the_numbers(texts, language):
    """A range or default that was changed in one language only would mislead."""
    translated, english = flat(read(language)), flat(texts)
    for path, text in english.items():
        assert numbers(translated[path]) == numbers(text), path


def numbers(text):
    return sorted(re.findall(r"\d+(?:\.\d+)?", text))


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_server_hands_the_texts_out(server, language):
    served = server.get("/i18n")[language]["nodeDefs"]
    assert {name: served[name] for name in read(language)} == read(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_the_language(frontend, server, language):
    """A language that the page does not know would stay unseen."""
    choose = "language => window.app.extensionManager.setting.set('Comfy.Locale', language)"
    frontend.page.evaluate(choose, language)
    try:
        frontend.open(server.url)
        title = frontend.page.evaluate("() => window.LiteGraph.registered_node_types.GPER_NoiseOptimizer.title")
        assert title == read(language)["GPER_NoiseOptimizer"]["display_name"]
    finally:
        frontend.page.evaluate(choose, "en")
        frontend.open(server.url)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_most_used_node_has_its_help_page_in_the_language(server, language):
    folder = f"/extensions/{server.pack_folder}/docs/GPER_NoiseOptimizer"
    page = server.fetch(f"{folder}/{language}.md").decode()
    english = server.fetch(f"{folder}.md").decode()
    assert page.startswith("# " + read(language)["GPER_NoiseOptimizer"]["display_name"])
    assert page.count("\n#") == english.count("\n#") and page.count("\n|") == english.count("\n|")
