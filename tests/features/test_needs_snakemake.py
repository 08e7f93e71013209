"""Rules that need Snakemake beside their command: one run, in which each has its own."""

import http.server
import threading

import pytest

#: What shells, YAML and Snakemake's own reading of values would each change.
WORD = 'it\'s $HOME `ls` "x" é: [1'


class _Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"from the web\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/word.txt"
        server.shutdown()


@pytest.fixture(scope="module")
def run(flow, web):
    rules = flow("snakemake")
    # Beside the working directory: it reaches the jobs all the same.
    (rules.folder.parent / "elsewhere.yaml").write_text("number: '007'\nword: not this\n")
    rules.output = rules.succeed(
        *("--wrapper-prefix", "file:wrappers/", "--configfile", "../elsewhere.yaml"),
        *("--config", f"http={web}", f"word={WORD}"),
        # Meant for one machine: no job is hindered by them.
        *("--sdm", "apptainer", "env-modules", "--keep-storage-local-copies"),
        TOKEN_OF_TEST="s p'$HOME",
    )
    return rules


def test_scripts_in_python_and_bash_get_what_the_rule_says(run):
    assert run.text("python.txt").startswith("start ")
    assert run.text("logs/python.log") == run.text("logs/python.err") == "logged"
    assert run.text("bash.txt") == "2 700 start\n"


def test_config_keeps_every_character_and_type(run):
    assert run.text("python.txt") == f"start {WORD!r} '007'\n"


def test_a_notebook_runs_and_is_kept_as_log(run):
    assert run.text("notebook.txt") == "start\n"
    assert '"execution_count": 1' in run.text("logs/notebook.ipynb")


def test_a_wrapper_of_a_local_prefix_is_shipped(run):
    assert run.text("wrapped.txt") == "start\nwrapped\n"


def test_template_engine_and_handover_run_here(run):
    assert run.text("template.txt") == "templated"
    assert run.text("handed.txt") == "start\n"
    assert "template: AWS Batch job" not in run.output
    assert "handed: AWS Batch job" not in run.output


def test_a_run_block_gets_envvars_as_they_are_and_the_cores_asked_for(run):
    assert run.text("it's $HOME.run").splitlines()[0] == "s p'$HOME 1 1"


def test_include_module_and_source_path_find_their_files(run):
    assert run.text("included.txt") == "word: included\n"
    assert run.text("moduled/word.txt") == "from a module"


def test_an_input_from_the_web_is_fetched(run):
    assert run.text("it's $HOME.run").splitlines()[2:] == ["from the web"]


def test_promises_of_outputs_are_kept_under_snakemake(run):
    assert run.text("promises.txt") == run.text("sha.txt") == "3\n"
    assert run.text("promises.touched") == ""
    assert run.text("promises.d/f") == "in\n"


def test_a_group_of_shell_run_and_script_is_one_job(run):
    assert run.text("mixed/3.txt") == "1\n2\n3\n"
    assert not (run.stored / "mixed/1.txt").exists()
    assert run.output.count("first+second+third (group mixed): AWS Batch job") == 1


def test_wildcards_reach_snakemake_unharmed(run):
    assert run.text("it's $HOME.run").splitlines()[1] == "it's $HOME"


def test_the_default_target_is_made(run):
    assert (run.stored / "python.txt").exists()
    assert "localrule all" in run.output
