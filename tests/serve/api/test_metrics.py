"""The page of metrics, of counts and durations worked out by hand."""

from coterie.serve.api.metrics import Metrics


def test_the_page() -> None:
    metrics = Metrics({"coterie_running_answers": lambda: 2})
    metrics.count_request("/v1/models", "", 200, 0.02)
    metrics.count_request("/v1/models", "", 200, 400.0)
    metrics.count_request("other", "no", 404, 0.025)
    metrics.count_tokens("prompt", 5)
    metrics.add_first_token(0.3)
    lines = metrics.render().splitlines()
    assert 'coterie_requests_total{path="/v1/models",model="",status="200"} 2' in lines
    assert 'coterie_tokens_total{kind="prompt"} 5' in lines
    assert "coterie_running_answers 2" in lines
    # Below 0.01 s none; two to 0.025 s, of which one is just that; one above all bounds.
    buckets = [line for line in lines if line.startswith("coterie_request_seconds_bucket")]
    assert buckets[0].endswith(" 0") and buckets[1].endswith(" 2") and buckets[-2].endswith(" 2")
    assert buckets[-1] == 'coterie_request_seconds_bucket{le="+Inf"} 3'
    assert "coterie_request_seconds_sum 400.045" in lines
    assert "coterie_first_token_seconds_count 1" in lines
