"""A model of the submission protocol, small enough to try every interleaving of it.

What it is
    One intent, two workers, a wire, a broker. Every step that anything may take is a function from
    one world to the worlds that may follow (`desk`, `outside`); `exploring` walks through all of
    them, breadth first. There is no randomness: what can happen does, in every order. Workers die
    anywhere, messages come twice, answers get lost, reads lag, webhooks outrun answers, brokers
    process late what was sent by somebody now dead, people cancel, halt and rule.

What it promises (`promises`)
    S1 ONCE         an intent never has two orders at its broker
    S2 HONEST       nothing is called refused, absent or never sent that is live, or may become so
    S3 NO DEAD END  from everywhere, a world stays reachable in which desk and broker agree
    S4 IN TIME      no byte leaves after submit_by, a halt or a withdrawal has been committed

How to read it
    `world` has what there is, `rules` what is taken as given, `desk` and `outside` what may happen,
    `promises` what must hold. A way through it is a list of sentences, as in `test_submission`.

What ties it to the code
    Its states are `orders.states`, and its steps must be those that `NEXT` and `ATTEMPT_NEXT`
    allow: all of them, so that an edge in the code's tables which the model can't explain fails a
    test. Its clock runs on the seconds in `orders.timing`, `brokers.http` and the brokers'
    passports. Change one of those, and the model says whether the promises still hold.

What shows that it can fail
    `TestAblations`: each protection taken out, and the shortest way to the ruin it stood in the
    way of. `pytest tests/model -s` prints them, and how many worlds were reached.

What is left out, and why
    What follows from facts once an order is found is `derive`'s business (`tests/properties`).
    A replace is a submission like any other. A connection fails once at most, as each failure
    leaves things as they were, and two requests are written at most, as that is enough to buy
    twice. People who rule an order absent may have been told wrong; that is an incident once it
    shows, and no machine acts on it.
"""
