import subprocess
import sys

import pytest

from rayctl.cli.exits import Exit
from rayctl.cli.main import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "operator" in text
    assert "version" in text


def test_an_unknown_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["no-such-command"])

    assert ended.value.code == Exit.USAGE
    assert "no-such-command" in capsys.readouterr().err


def test_an_unknown_flag_is_bad_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["operator", "--bogus"])

    told = capsys.readouterr().err
    assert ended.value.code == Exit.USAGE
    assert "--lease-duration" in told
    assert "unrecognized arguments: --bogus; rayctl operator --help" in told


def test_version_tells_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("rayctl ")


def test_quick_commands_do_not_import_the_kubernetes_package() -> None:
    code = (
        "import sys; from rayctl.cli.main import main; main(['version']); "
        "sys.exit(any(name.split('.')[0] in {'kubernetes', 'aiohttp'} for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
