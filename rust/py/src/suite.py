"""Runs the `unittest` tests of a test. Appended to its text by `prepare.py`, and executed with it."""


def __forge_suite__(names, equal, intact):
    """Raises what the first test method raised that did not pass."""
    import sys
    import types
    import unittest

    def about(test):
        case = getattr(test, "test_case", test)
        method = getattr(case, "_testMethodName", None)
        if method is None:
            return str(test)
        part = " " + test._subDescription() if case is not test else ""
        return f"{type(case).__name__}.{method}{part}"

    class Result(unittest.TestResult):
        ran, error = 0, None

        def take(self, test, error):
            if self.error is None:
                self.error = error
                error.forge_test = about(test)
            self.stop()

        def addError(self, test, error):
            self.take(test, error[1])

        addFailure = addError

        def addSubTest(self, test, part, error):
            if error is not None:
                self.take(part, error[1])

        def addUnexpectedSuccess(self, test):
            self.take(test, AssertionError("unexpected success"))

        def addSkip(self, test, reason):
            method = getattr(test, getattr(test, "_testMethodName", ""), None)
            if any(getattr(part, "__unittest_skip__", False) for part in (type(test), method)):
                self.ran -= 1
            else:
                # Whoever is tested could have asked for that.
                self.take(test, AssertionError(f"skipped: {reason}"))

        def startTest(self, test):
            self.ran += 1

    def show(test):
        known = test.assertEqual

        def compared(first, second, msg=None):
            held = equal(first, second, "==", about(test))
            known(first, second, msg)
            if not held:
                raise test.failureException("the values are not equal")

        test.assertEqual = compared

    def cases(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                yield from cases(test)
            else:
                yield test

    module = types.ModuleType(names["__name__"])
    vars(module).update(names)
    suite = unittest.TestLoader().loadTestsFromModule(module)
    for test in cases(suite):
        show(test)
    result = Result()
    whole = intact()
    # Fixtures of a module are looked for under its name.
    sys.modules[module.__name__] = module
    suite.run(result)
    if result.error is not None:
        raise result.error
    if not (whole and intact()):
        raise AssertionError("the program has changed unittest")
    if not result.ran:
        raise AssertionError("no test methods")


__forge_suite__(globals(), "\0forge equal\0", "\0forge intact\0")
