"""A merchant's own words for the comment filter: from a file that is checked before the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.__main__ import main
from server.settings import BadSetting
from server.word_file import text_filter

BAD = "gold rush\n\u200b\n"


def test_words_of_the_file_are_refused_beside_those_of_the_package(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# ours\ngold rush\n", "utf-8")
    assert text_filter(None).check("a gold rush").accepted
    assert not text_filter(file).check("a gold rush").accepted


def test_the_setting_names_the_file_and_the_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text(BAD, "utf-8")
    with pytest.raises(BadSetting, match=r"ONAIR_BLOCKED_WORDS_FILE.*words\.txt: .*line 2"):
        text_filter(file)
    with pytest.raises(BadSetting, match=r"missing\.txt cannot be read"):
        text_filter(tmp_path / "missing.txt")
    with pytest.raises(BadSetting, match="cannot be read"):
        text_filter(tmp_path)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_mistake_in_the_file_stops_the_start(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "words.txt"
    file.write_text(BAD, "utf-8")
    monkeypatch.setenv("ONAIR_TOKEN_SECRET", "0123456789abcdefghijklmnopqrstuv")
    monkeypatch.setenv("ONAIR_API_KEY", "vutsrqponmlkjihgfedcba9876543210")
    monkeypatch.setenv("ONAIR_BLOCKED_WORDS_FILE", str(file))
    monkeypatch.setenv("ONAIR_DATA_DIR", str(tmp_path / "data"))
    assert main([command]) == 1
    assert "ONAIR_BLOCKED_WORDS_FILE" in (said := capsys.readouterr().err)
    assert "line 2" in said
    assert not (tmp_path / "data").exists()
