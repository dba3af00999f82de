"""The worker protocol and the programs that run models, each in a process of its own."""
