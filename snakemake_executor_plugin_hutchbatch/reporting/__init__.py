"""Read-only views of the record: status, report, targets of commands."""
