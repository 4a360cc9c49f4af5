"""Settings files of --watch: what they take, what they refuse, and that a printed one is taken."""

import tomllib

import pytest
from bonefx_edge.cli.admin import app as admin
from bonefx_edge.cli.classify import app as classify
from bonefx_edge.cli.option_rules import WATCH_ONLY
from typer.testing import CliRunner


def print_settings(*words: object):
    return CliRunner().invoke(admin, ["config", *map(str, words)])


@pytest.fixture(name="file")
def _file(tmp_path):
    return tmp_path / "watch.toml"


def test_every_option_of_watch_is_printed_with_a_comment(file):
    printed = print_settings()
    assert printed.exit_code == 0, printed.output
    keys = {
        line.lstrip("#").partition(" = ")[0].replace("-", "_")
        for line in printed.output.splitlines()
        if " = " in line and not line.startswith("# ")
    }
    assert set(WATCH_ONLY) <= keys
    assert {"watch", "model", "threads", "accept"} <= keys
    assert "heatmap" not in keys
    assert "decision aid" in printed.output.lower()


def test_what_is_printed_can_be_read_and_is_printed_the_same(file):
    file.write_text(
        'watch = "/srv/Röntgen"\nworkers = 2\nsettle = 1.5\nonce = true\n'
        'on-result = "mail \\"a b\\" $X"\naccept = ["no-preamble"]\n'
    )
    first = print_settings(file)
    assert first.exit_code == 0, first.output
    values = tomllib.loads(first.stdout)
    assert (values["watch"], values["workers"], values["settle"]) == ("/srv/Röntgen", 2, 1.5)
    assert values["once"] is True
    assert values["on-result"] == 'mail "a b" $X'
    assert values["accept"] == ["no-preamble"]
    file.write_text(first.stdout)
    assert print_settings(file).stdout == first.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("worker = 2", "no setting is named worker; did you mean workers?"),
        ("heatmap = 'x'", "no setting is named heatmap"),
        ("config = 'x'", "no setting is named config"),
        ("zzzz = 1", "edge-admin config lists the keys"),
        ("workers = 0", "workers: "),
        ("workers = 'two'", "workers: "),
        ("workers = true", "workers: expected no true or false"),
        ("workers = [1]", "workers: expected one value"),
        ("once = 1", "once: expected true or false"),
        ("accept = 'no-preamble'", "accept: expected a list"),
        ("out = ''", "out: the value is empty"),
        ("[watch]", "watch: expected one value"),
        ("workers 2", "expected TOML, such as: workers = 2"),
        ("watch = '/srv'\npoll = 'perhaps'", "--poll: expected one of auto, always, never"),
        ("workers = 2", "--config: it names no folder; add watch to it, or --watch"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(file, text, says):
    file.write_text(text)
    done = print_settings(file)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert CliRunner().invoke(classify, ["--config", str(file)]).exit_code == 2


def test_a_file_that_is_not_there_or_is_no_text_is_named(file):
    assert "cannot be read (No such file or directory)" in print_settings(file).stderr
    file.write_bytes(b"\xff\xfe")
    assert "expected UTF-8" in print_settings(file).stderr


def test_the_command_line_wins(file, tmp_path):
    file.write_text('watch = "/nowhere"\npoll = "never"\nsettle = 0.3\nonce = true\n')
    (tmp_path / "in").mkdir()
    # --watch of the command line: the folder of the file does not exist, and --once needs one
    words = ["--config", str(file), "--watch", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    failed = CliRunner().invoke(classify, words[:2])
    assert "/nowhere: --once needs an existing folder" in failed.stderr
    with classify_context(words) as context:
        assert context.params["watch"] == str(tmp_path / "in")
        assert context.params["settle"] == 0.3
        assert context.params["once"] is True


def classify_context(words):
    import typer

    return typer.main.get_command(classify).make_context("edge-classify", list(words))
