from __future__ import annotations

import subprocess
import sys

import pytest

from dan_model.commands.app import COMMANDS, load_command
from tests.fixtures.command_line import run_command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_each_command_says_of_itself(name):
    first, _, _ = load_command(name).help.partition("\n\n")
    assert first.replace("\n", " ") == COMMANDS[name][2]


def test_the_list_of_commands_needs_no_network():
    code = (
        "import sys; from dan_model.commands.app import app; app(['--help'], standalone_mode=False);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_mistyped_command_is_corrected():
    result = run_command("explian")
    assert result.exit_code == 2
    assert "No such command 'explian'" in result.output
    assert "explain" in result.output.partition("Did you mean")[2]


def test_a_command_shows_its_own_options():
    shown = run_command("export", "--help")
    assert shown.exit_code == 0
    assert "--onnx" in shown.output
    assert "--install-completion" not in shown.output
