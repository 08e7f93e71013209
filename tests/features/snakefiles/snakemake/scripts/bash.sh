echo "${snakemake[threads]} ${snakemake_resources[mem_mb]} $(cat "${snakemake_input[0]}")" > "${snakemake_output[0]}"
