import io
import sys

from bonefx_train.progress import track


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_is_shown_how_far_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(track(range(3), label="reading")) == [0, 1, 2]
    assert "reading [" in sys.stderr.getvalue()
    assert "] 3/3\n" in sys.stderr.getvalue()


def test_a_log_file_is_not_filled_with_bars(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(track("abc", label="reading")) == ["a", "b", "c"]
    assert sys.stderr.getvalue() == ""
