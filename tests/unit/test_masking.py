"""What looks like a person or a secret is masked wherever text is kept or shown; ids, pages and plain words stay."""

from __future__ import annotations

import json

import duckdb
import pytest
from shop import Shop, lines, nightshift

from pipelines.masking import mask, masked, shown

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
FOUND = [
    ("mail ada@example.org, please", "mail [email], please"),
    ("Ada Lovelace <ada.l+shop@mail.example.co.uk>", "Ada Lovelace <[email]>"),
    ("https://s.example/u/ada%40example.org/orders", "https://s.example/u/[email]/orders"),
    ("https://s.example/u/ada%2540example.org", "https://s.example/u/[email]"),
    ("zoë@exämple.org", "[email]"),
    ("root@localhost", "[email]"),
    ("ada@3com.com", "[email]"),
    (f"https://s.example/in/{JWT}", "https://s.example/in/[token]"),
    ("Authorization: Bearer abc123def", "Authorization: Bearer [token]"),
    ("bearer%20Zx8.k-2", "bearer [token]"),
    ("/in?token=s3cr3t&page=2", "/in?token=[token]&page=2"),
    ("api_key=abc key=def reset-token%3Dghi", "api_key=[token] key=[token] reset-token%3D[token]"),
    ('{"access_token": "abc", "n": 1}', '{"access_token": "[token]", "n": 1}'),
    (json.dumps(json.dumps({"password": "abc def"})), '"{\\"password\\": \\"[token] def\\"}"'),
    ("/reset/5f4dcc3b5aa765d61d8327deb882cf99", "/reset/[token]"),
    ("/s/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "/s/[token]"),
    ("/r/Xk3Jd9-QwLmZpTv7RbNc2YhUeGsAoFi_6tKjVxWqD8E", "/r/[token]"),
    ("call +44 20 7946 0958 now", "call [number] now"),
    ("tel:+442079460958", "tel:[number]"),
    ("%2B442079460958", "[number]"),
    ("ring 020 7946 0958 or (020) 7946 0959", "ring [number] or [number]"),
    ("07700 900123, (555) 123-4567", "[number], [number]"),
]
PLAIN = [
    "too small",
    "Wrong colour? I ordered 2 @ 9.99 each",
    "Ärmel zu kurz; Donaudampfschifffahrtsgesellschaftskapitän",
    "arrived 2024-07-01 10:00, ordered 01-07-2024",
    "key ring broke, the secret santa kept it",
    "order 1000000000123 line 2",
    "0123456789012",
    "sort_key=price&monkey=7",
    "https://shop.example.com/p/SKU-00704",
    "https://shop.example.com/blue-trousers-for-children-2024-edition-xl",
    "https://cdn.example.com/img/shoe@2x.png",
    "https://cdn.example.com/img/9b2f6c1e-5d3a-4e8b-a7c4-0f1e2d3c4b5a.jpg",
    "/p/9B2F6C1E-5D3A-4E8B-A7C4-0F1E2D3C4B5A",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    '{"material": "cotton", "key": "colour", "gtin": "04012345678901", "size": "10 1/2"}',
    "https://medium.example/@ada/post",
    "",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_persons_and_secrets_are_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("text", PLAIN)
def test_ids_pages_and_plain_words_stay(text: str) -> None:
    assert mask(text) == text


def test_sql_masks_exactly_what_python_masks() -> None:
    texts = [*(text for text, _ in FOUND), *PLAIN]
    texts += [f"{one} {other}" for one in texts for other in texts]
    rows = duckdb.execute(f"select text, {masked('text')} from (select unnest($texts) as text)", {"texts": texts})
    found = rows.fetchall()
    assert len(found) == (len(FOUND) + len(PLAIN)) * (len(FOUND) + len(PLAIN) + 1)
    assert [text for text, sql in found if sql != mask(text)] == []
    assert duckdb.execute(f"select {masked('text')} from (select NULL::VARCHAR as text)").fetchall() == [(None,)]


@pytest.mark.parametrize("piece", ["a", "aB", "a1", "aB1_", "a@", "0", "+1 ", "eyJ", "token="])
def test_a_long_text_of_any_kind_is_masked_at_once(piece: str) -> None:
    text = piece * 500_000
    assert len(mask(text)) <= 3_000


def test_shown_text_is_masked_and_on_one_line() -> None:
    assert shown("a\tb\x1b[31m ada@example.org\n") == r"a\tb\x1b[31m [email]\n"


def test_free_text_is_masked_before_it_reaches_raw(shop: Shop) -> None:
    shop.map(
        returns="{uri: 'returns/{ds}.csv', format: csv}",
        customers="{uri: 'customers/{ds}.jsonl', format: jsonl}",
        products="{uri: 'products/{ds}.csv', format: csv}",
        events="{uri: 'events/{ds}.jsonl', format: jsonl}",
    )
    returned = "return_id,order_line_id,quantity,reason,requested_at,status"
    shop.deliver(
        "returns/2024-07-01.csv",
        lines(
            returned,
            [
                "r1,l1,1,write to ada@example.org,2024-07-01,requested",
                "r2,l2,1,  too small ,2024-07-01,requested",
            ],
        ),
    )
    customer = {"customer_id": "ada@example.org", "created_at": "2024-07-01", "attributes": {"note": "t +442079460958"}}
    shop.deliver("customers/2024-07-01.jsonl", json.dumps(customer) + "\n")
    shop.deliver(
        "products/2024-07-01.csv",
        lines("sku,title,is_active,image_url", ["s@2,by bob@example.org,true,https://u:p@cdn.example/a@2x.png?w=1"]),
    )
    event = {
        "event_id": "e1",
        "visitor_id": "5f4dcc3b5aa765d61d8327deb882cf99",
        "occurred_at": "2024-07-01T09:00:00Z",
        "event_type": "page_view",
        "page_url": "https://s.example/u/ada%40example.org/p?x=1",
        "traffic_source": "mail from bob@example.org",
        "attributes": {"auth": "Bearer abc123"},
    }
    shop.deliver("events/2024-07-01.jsonl", json.dumps(event) + "\n")
    for feed in ("returns", "customers", "products", "events"):
        assert shop.ingest(feed).status == "loaded"
    assert shop.raw("returns", "reason", "return_id") == [("write to [email]",), ("too small",)]
    # Ids, and columns that hold no free text, are taken as they come.
    assert shop.raw("customers", "customer_id, attributes") == [("ada@example.org", '{"note":"t [number]"}')]
    assert shop.raw("products", "sku, title, image_url") == [
        ("s@2", "by bob@example.org", "https://u:p@cdn.example/a@2x.png?w=1")
    ]
    assert shop.raw("events", "visitor_id, page_url, traffic_source, attributes") == [
        (
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "https://s.example/u/[email]/p",
            "mail from [email]",
            '{"auth":"Bearer [token]"}',
        )
    ]


def test_quarantine_and_messages_are_masked_alike(shop: Shop) -> None:
    shop.map(returns="{uri: 'returns/{ds}.csv', format: csv}")
    returned = "return_id,order_line_id,quantity,reason,requested_at,status"
    refused = f"r1,l1,1,ada%40example.org {JWT} +442079460958,never,requested"
    shop.deliver("returns/2024-07-01.csv", lines(f"{returned},eve@example.org", [f"{refused},x"]))
    checked = nightshift(shop.root, "sources", "check").stdout
    shop.ingest("returns")
    ((text,),) = shop.quarantined("returns", "raw_text", "raw_text")
    assert '"reason":"[email] [token] [number]"' in text
    shop.deliver("returns/2024-07-02.csv", lines("return_id,bob@example.org", ["r1,x"]))
    failed = nightshift(shop.root, "ingest", "returns")
    assert failed.returncode == 2
    for said in (checked, failed.stderr):
        assert "[email]" in said
        assert "example.org" not in said


def test_a_check_of_the_mapping_shows_masked_text(shop: Shop) -> None:
    shop.map(returns="{uri: 'returns/{ds}.csv', format: csv}")
    row = "r1,l1,1,ask ada@example.org,2024-07-01,requested"
    shop.deliver("returns/2024-07-01.csv", lines("return_id,order_line_id,quantity,reason,requested_at,status", [row]))
    said = nightshift(shop.root, "sources", "check").stdout
    assert "ask [email]" in said
    assert "ada@" not in said
