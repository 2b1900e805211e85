"""The parts of `sab.check`: derivatives, blocks, the function under test, where it is wrong and probably why."""
