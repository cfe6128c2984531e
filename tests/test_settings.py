"""Settings as they are read from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from cms.settings import Settings


def test_the_data_directory_is_absolute_however_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMS_DATA_DIR", "beside")
    assert Settings().data_dir == tmp_path / "beside"


def test_without_root_the_data_directory_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CMS_DATA_DIR", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert Settings().data_dir == tmp_path / ".cms"
