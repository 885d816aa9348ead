"""What must be so of any facts, any answers and any day at the desk, tried on random ones.

Hypothesis' profile says how many are tried:

    ./desk test tests/properties                            quick: seconds, part of every test run
    HYPOTHESIS_PROFILE=deep ./desk test tests/properties    deep: hours

Deep tries 50,000 examples of each property of pure functions (`test_views`, `test_amounts`), 2,000
of the recording in PostgreSQL (`test_deliveries`) and 500 whole days at the desk (`test_days`),
where people, brokers, webhooks and crashes do as they please, and everything is looked at after
each step: a database takes a hundred times as long to answer as a function. `effort` has the
numbers. `facts` makes up what brokers say: ties, repetitions and contradictions included.
"""
