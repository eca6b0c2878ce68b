"""Prompts from text, CSV and JSONL."""

import pytest

from batch.prompts import Row, read_rows


def rows_of(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_rows(file)


def test_a_prompt_each_line(tmp_path):
    rows = rows_of(tmp_path, "p.txt", "\ufeff a fox \n\n#3, café\r\n")
    assert rows == [Row(1, {"prompt": "a fox"}), Row(3, {"prompt": "#3, café"})]


def test_csv(tmp_path):
    rows = rows_of(tmp_path, "p.csv", 'prompt,8.steps,seed\n"a fox, red",5,\n\n"two\nlines",,9\n')
    assert [row.values for row in rows] == [
        {"prompt": "a fox, red", "8.steps": "5"},
        {"prompt": "two\nlines", "seed": "9"},
    ]


def test_jsonl(tmp_path):
    rows = rows_of(tmp_path, "p.jsonl", '{"prompt": "a fox", "8.steps": 5, "8.on": true}\n')
    assert rows == [Row(1, {"prompt": "a fox", "8.steps": 5, "8.on": True})]
    assert rows[0].label == "a fox"


def test_a_row_without_a_prompt_is_called_by_its_values(tmp_path):
    assert rows_of(tmp_path, "p.csv", "2.scene,seed\nnight,4\n")[0].label == "2.scene night"


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("p.txt", " \n\n", "holds no prompt"),
        ("p.csv", "prompt,seed\n", "holds no prompt"),
        ("p.csv", "prompt,seed\n,4\n", "the prompt in line 2 of .* is empty"),
        ("p.csv", "prompt\na fox, red\n", "put a text with commas in it between quotes"),
        ("p.csv", "prompt,prompt\na,b\n", "name each column once"),
        ("p.csv", "prompt,seed\na,-4\n", "the seed in line 2"),
        ("p.jsonl", "{'prompt': 1}\n", "line 1 of .* is no JSON"),
        ("p.jsonl", "[1]\n", "no JSON object"),
        ("p.jsonl", '{"prompt": "a", "b": [1]}\n', "b is neither a text"),
        ("p.jsonl", '{"prompt": 3}\n', "the prompt in line 1"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, name, text, told):
    with pytest.raises(ValueError, match=told):
        rows_of(tmp_path, name, text)


def test_no_such_file_and_no_text(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        read_rows(tmp_path / "p.txt")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be read as UTF-8"):
        read_rows(tmp_path / "p.txt")
