"""The paper's tables, run again: rows (what to run), runner, results, transfer, ship, and the command `reproduce`."""
