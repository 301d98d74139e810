"""What the command line answers."""


def refused(answer, words):
    """One line that says what is wrong, on stderr, and the exit code of wrong use."""
    code, out, err = answer
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
