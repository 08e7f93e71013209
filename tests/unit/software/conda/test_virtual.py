from snakemake_executor_plugin_hutchbatch.software.conda import virtual


def test_only_jobs_with_a_gpu_have_cuda():
    without = virtual.packages(gpu=False, variables={})
    assert without == (
        "__archspec=1=x86_64_v3",
        "__glibc=2.28=0",
        "__linux=5.10=0",
        "__unix=0=0",
    )
    assert set(virtual.packages(gpu=True, variables={})) - set(without) == {"__cuda=12.4=0"}


def test_condas_variables_change_them():
    variables = {
        "CONDA_OVERRIDE_CUDA": "11.8",
        "CONDA_OVERRIDE_GLIBC": "2.17",
        "CONDA_OVERRIDE_ARCHSPEC": "",
    }
    assert virtual.packages(gpu=False, variables=variables) == (
        "__cuda=11.8=0",
        "__glibc=2.17=0",
        "__linux=5.10=0",
        "__unix=0=0",
    )
    assert "__cuda" not in str(virtual.packages(True, {"CONDA_OVERRIDE_CUDA": ""}))
