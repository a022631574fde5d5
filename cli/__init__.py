"""The `hnchain` command: stdout is the answer, stderr the commentary, the exit code the verdict.

Reading order: main (groups, languages, how a failure becomes an exit code), verdicts, output, network (which nodes),
client (HTTP), submission (sign, send, wait); then one file per group. Wallet commands need no node software.
"""
