#!/usr/bin/env bash
{
  for key in "${!snakemake_input[@]}"; do echo "$key=${snakemake_input[$key]}"; done | sort
  for key in "${!snakemake[@]}"; do echo "$key=${snakemake[$key]}"; done | sort
  for key in "${!snakemake_config[@]}"; do echo "$key=${snakemake_config[$key]}"; done | sort
  for key in "${!snakemake_params[@]}"; do echo "$key=${snakemake_params[$key]}"; done | sort
  echo "${snakemake_resources[mem_mb]} ${snakemake_output[0]} $PWD"
} > "${snakemake_output[0]}"
