"""What clients already speak: a module for each protocol, with its `ROUTES` and its `error`.

A route is (methods, path, function); a function takes an `Asked` and gives a response, or what
becomes one in JSON. `error(status, message)` is what the protocol says of a refused request.
"""
