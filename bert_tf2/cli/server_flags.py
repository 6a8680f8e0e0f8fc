"""The flags of servers, as a table; `flag_table.FLAGS` has them, too."""

from bert_tf2.cli.flags import count, number, switch, text, whole

SERVER_FLAGS = {
    "host": text("what to listen on; 0.0.0.0: for all that reach this machine", "127.0.0.1"),
    "port": whole("0: any that is free", 8501),
    "grpc_port": whole(
        "speak TensorFlow Serving's gRPC, too, on this port (8500 is its own; 0: any that is free)"
    ),
    "api_key": text("what requests must bring: a word, or @FILE with it inside"),
    "keep_versions": count("how many versions of each model answer, the newest", 1),
    "log_requests": switch("write a line of JSON for each request to standard error", True),
    "max_body_mb": count("MiB of a request", 32),
    "max_rows": count("rows of a request", 1000),
    "max_text_bytes": count("bytes of one text", 1_000_000),
    "max_queue": count("rows that may wait; further requests are told to come again", 10_000),
    "timeout": number("seconds for an answer", 60.0, lower_bound=0.001),
    "max_batch_rows": count("rows that are computed at once", 32),
    "max_batch_tokens": count("and their tokens, with padding, estimated", 16_384),
    "batch_window_ms": number(
        "how long rows wait for others where several clients take turns", 2.0, lower_bound=0
    ),
}
