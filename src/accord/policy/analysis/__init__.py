"""What can be proven of policy sets, of all requests at once: a set is translated to a formula that Z3 decides.
Whatever Z3 finds is a request that Cedar is asked about before anybody hears of it.
"""
