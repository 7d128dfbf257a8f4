"""The merchant desk in a real browser: signing in, and a sale from its draft to a refund."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_merchant import Desk, answer, buy, counter, go, open_sale, press, question
from tests.e2e.browser_merchant_sharing import until
from tests.e2e.browser_support import DESK, Shop, Visit

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]

# signing in


def test_a_link_signs_in_for_this_tab_and_leaves_no_token_in_the_address(
    visit: Visit, shop: Shop
) -> None:
    token = shop.token("m", role="merchant", name="青岚")
    person = visit(f"/merchant#token={token}", screen=DESK)
    expect(person.page.locator("#my-name")).to_have_text("青岚")
    assert "token" not in person.page.url
    person.page.reload()
    expect(person.page.locator("#my-name")).to_have_text("青岚")
    person.page.locator("#leave").click()
    expect(person.page.locator("#signin")).to_be_visible()
    person.page.reload()
    expect(person.page.locator("#signin")).to_be_visible()
    expect(person.page.locator("#desk")).to_be_hidden()
    person.page.locator("#signin-token").fill(token)
    person.page.locator("#signin-go").click()
    expect(person.page.locator("#my-name")).to_have_text("青岚")
    person.check_clean()


@pytest.mark.parametrize(
    ("role", "ttl_s", "words"),
    [
        ("viewer", 3600, "这份凭证没有商家权限。"),
        ("host", 3600, "这份凭证没有商家权限。"),
        ("merchant", -60, "登录凭证无效或已过期，请重新登录。"),
    ],
)
def test_a_token_without_a_merchants_rights_is_refused_with_the_reason(
    visit: Visit, shop: Shop, role: str, ttl_s: float, words: str
) -> None:
    token = shop.token("somebody", role=role, ttl_s=ttl_s)
    person = visit(f"/merchant#token={token}", screen=DESK)
    expect(person.page.locator("#signin-error")).to_have_text(words)
    expect(person.page.locator("#desk")).to_be_hidden()
    assert person.page.evaluate("sessionStorage.length") == 0


# preparing and selling


def test_a_merchant_prepares_everything_that_a_sale_needs(
    desk: Desk, shop: Shop, room: str
) -> None:
    person = desk("#/rooms")
    page = person.page
    new_room, product = f"{room}-2", f"p-{room}"[:60]
    press(person, "新建直播间")
    page.get_by_label("标题").fill("新茶专场")
    press(person, "创建直播间", "dialog[open]")
    expect(page.locator("[data-field=id] .field-problem")).to_have_text("请填写编号")
    page.get_by_label("编号", exact=True).fill(new_room)
    answer(person, "创建直播间")
    row = page.locator(".table tbody tr").filter(has_text=new_room)
    expect(row.locator(".state")).to_have_text("即将开始")
    row.get_by_role("button", name="更改状态").click()
    page.locator("dialog .segment").filter(has_text="直播中").click()
    expect(question(person)).to_have_text("“新茶专场”将显示为直播中，所有观众都会看到。")
    answer(person, "更改")
    expect(row.locator(".state")).to_have_text("直播中")

    page.locator("[data-view=products]").click()
    press(person, "新建商品")
    page.get_by_label("名称", exact=True).fill("明前龙井")
    page.get_by_label("价格").fill("168")
    page.get_by_label("编号（可选）").fill(product)
    press(person, "添加款式", "dialog[open]")
    press(person, "添加款式", "dialog[open]")
    for number, (title, price) in enumerate((("五十克", "168"), ("一百克", "299.5"))):
        variant = page.locator(".variant-row").nth(number)
        variant.get_by_label("款式名称").fill(title)
        variant.get_by_label("价格").fill(price)
    expect(question(person)).to_have_text(
        "创建“明前龙井”，共 2 款，价格 ¥168.00 – ¥299.50？创建后不能修改。"
    )
    answer(person, "创建商品")
    made = shop.call("GET", f"/api/v1/products/{product}")
    assert [(sku["sku"], sku["price_minor"]) for sku in made["skus"]] == [
        (f"{product}-1", 16_800),
        (f"{product}-2", 29_950),
    ]

    page.locator("[data-view=rooms]").click()
    row.get_by_role("button", name="货架").click()
    choice = page.get_by_label("添加商品")
    for chosen in ("mug", product):
        choice.select_option(value=chosen)
    page.get_by_role("button", name="上移 明前龙井").click()
    answer(person, "保存")
    shelf = shop.call("GET", f"/api/v1/rooms/{new_room}/shelf")["products"]
    assert [each["id"] for each in shelf] == [product, "mug"]
    person.check_clean()


def test_a_draft_is_written_changed_and_refused_where_it_is_wrong(
    desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    person = desk(f"#/draft?room={room}")
    page = person.page
    expect(page.locator("#view h1")).to_have_text("新建抢购")
    expect(page.get_by_label("直播间")).to_have_value(room)
    page.get_by_label("场次编号").fill(f"d-{room}")
    page.get_by_label("结束时间").fill("2020-01-01T08:00")
    page.get_by_label("添加商品").select_option(label="青色 Blue")
    page.get_by_label("库存").fill("0")
    press(person, "保存草稿")
    wrong = page.locator("[data-field=ends_at_ms] .field-problem")
    expect(wrong).to_have_text("结束时间要晚于开始时间和现在")
    page.get_by_label("结束时间").fill("")
    press(person, "保存草稿")
    wrong = page.locator("[data-field='items.0.stock'] .field-problem")
    expect(wrong).to_have_text("请填写 1 到 1000000000 之间的整数")
    page.get_by_label("库存").fill("40")
    page.get_by_label("售价 CNY").fill("79.9")
    expect(page.locator(".question")).to_have_text("共 1 款、40 件，按售价合计 ¥3,196.00")
    page.get_by_label("付款时限", exact=True).select_option("300")
    press(person, "保存草稿")
    expect(page.locator("#view h1")).to_have_text(f"d-{room}")
    expect(page.locator(".page-title .state")).to_have_text("草稿")

    page.get_by_role("link", name="修改").click()
    expect(page.get_by_label("售价 CNY")).to_have_value("79.90")
    page.get_by_label("每人限购").fill("2")
    press(person, "保存草稿")
    expect(page.locator(".goods .card")).to_contain_text("每人限购 2 件")
    stored = shop.call("GET", f"/api/v1/sales/d-{room}")
    assert stored["hold_seconds"] == 300
    assert stored["items"][0]["price_minor"] == 7990
    person.check_clean()


def test_a_sale_goes_from_its_draft_to_its_end_and_every_step_names_its_numbers(
    desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    person = desk(f"#/sales/{sale}")
    page = person.page
    state = page.locator(".page-title .state")
    expect(state).to_have_text("草稿")
    press(person, "上架")
    page.get_by_label("白色 White（已分配 10 件）").fill("6")
    expect(question(person)).to_have_text(
        f"将 2 款共 11 件、合计 ¥699.00 的商品上架到直播间 {room}？"
    )
    answer(person, "上架")
    expect(state).to_have_text("待开抢")
    press(person, "开抢")
    expect(question(person)).to_have_text("现在开抢？11 件、合计 ¥699.00 的商品将立即可以购买。")
    answer(person, "立即开抢")
    expect(state).to_have_text("抢购中")
    press(person, "补货")
    expect(page.locator("dialog [type=submit]")).to_be_disabled()
    page.get_by_label("补货件数").fill("4")
    expect(question(person)).to_have_text(
        re.compile(r"^为“.*”补货 4 件（¥236\.00）？在售 6 → 10 件。$")
    )
    answer(person, "补货 4 件")
    expect(page.locator("[data-sku=desk-mug-white]")).to_contain_text("在售 10 件")
    press(person, "暂停")
    page.get_by_label("原因").fill("核对库存")
    answer(person, "暂停")
    expect(state).to_have_text("已暂停")
    expect(page.locator(".banner")).to_have_text("说明：核对库存")
    press(person, "恢复")
    answer(person, "恢复")
    expect(state).to_have_text("抢购中")
    press(person, "结束")
    expect(question(person)).to_contain_text("剩余 15 件不再出售")
    press(person, "取消", "dialog[open]")
    expect(state).to_have_text("抢购中")
    press(person, "结束")
    answer(person, "结束")
    expect(state).to_have_text("已结束")
    expect(page.locator(".page-tools")).to_have_count(0)
    person.check_clean()


# orders and books


def test_an_order_is_seen_paid_refunded_and_the_books_agree_all_the_way(
    visit: Visit, desk: Desk, shop: Shop, sale: str
) -> None:
    open_sale(shop, sale)
    paid = buy(visit, shop, sale, "alice", qty=2)
    buy(visit, shop, sale, "bob", pays=False)
    person = desk(f"#/books/{sale}")
    page = person.page
    verdict = page.locator(".verdict")
    expect(verdict).to_have_attribute("data-verdict", "agree")
    expect(counter(person, "desk-mug-white", "sold")).to_have_text(["2", "2"])
    expect(counter(person, "desk-mug-white", "reserved")).to_have_text(["1", "1"])

    go(person, f"#/orders?sale={sale}&state=paid")
    expect(page.locator(".table tbody tr")).to_have_count(1)
    expect(page.locator(".table tbody tr")).to_contain_text("desk-mug-white × 2")
    page.get_by_role("link", name="查看 alice 的订单").click()
    dialog = page.locator("dialog.wide")
    expect(dialog.locator(".order-head")).to_contain_text("¥118.00")
    expect(dialog).to_contain_text(paid)
    expect(dialog).to_contain_text("已入账")
    press(person, "退款", "dialog.wide")
    ask = page.locator("dialog.small")
    expect(ask.locator(".question")).to_have_text("向 alice 退款 ¥118.00？2 件商品重新放出。")
    ask.locator(".segment").filter(has_text="核销").click()
    expect(ask.locator(".question")).to_have_text("向 alice 退款 ¥118.00？2 件商品核销，不再出售。")
    press(person, "退款 ¥118.00", "dialog.small")
    expect(ask.locator("[data-field=reason] .field-problem")).to_have_text("请填写原因")
    ask.get_by_label("原因").fill("到货破损")
    press(person, "退款 ¥118.00", "dialog.small")
    expect(dialog.locator(".order-head")).to_contain_text("已退款")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("location.hash") == f"#/orders?sale={sale}&state=paid"

    go(person, f"#/books/{sale}")
    expect(counter(person, "desk-mug-white", "refunded")).to_have_text(["2", "2"])
    expect(counter(person, "desk-mug-white", "written_off")).to_have_text(["2", "2"])
    expect(counter(person, "desk-mug-white", "initial")).to_have_text(["8", "8"])
    expect(verdict).to_have_attribute("data-verdict", "agree")
    person.check_clean()


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        (
            {"agree": False, "why": "sold differs"},
            "differ",
            re.compile("标出的数字.* sold differs$"),
        ),
        ({"agree": None, "lag": 3, "why": ""}, "behind", "还有 3 条记录正在写入账本。"),
        (
            {"agree": None, "lag": None, "redis": None, "why": "store away"},
            "unknown",
            "稍后会自动再次核对。",
        ),
    ],
)
def test_books_that_differ_lag_or_cannot_be_read_say_so_and_mark_the_numbers(
    desk: Desk, shop: Shop, sale: str, change: dict[str, Any], verdict: str, words: Any
) -> None:
    """The server's own answer, changed on its way: real books do not differ when asked to."""
    open_sale(shop, sale)
    person = desk("#/rooms")

    def alter(route: Route) -> None:
        books = route.fetch().json()
        books["ledger"]["items"][0]["sold"] = 1
        route.fulfill(json=books | change)

    person.page.route(f"**/{sale}/books", alter)
    go(person, f"#/books/{sale}")
    expect(person.page.locator(".verdict")).to_have_attribute("data-verdict", verdict)
    expect(person.page.locator(".verdict p")).to_have_text(words)
    row = person.page.locator("[data-sku=desk-mug-white] tr[data-counter=sold]")
    marks = {"differ": "yes", "behind": "soon", "unknown": "no"}
    expect(row).to_have_attribute("data-differs", marks[verdict])
    banner = ["暂时连不上实时库存：store away"] if verdict == "unknown" else []
    expect(person.page.locator(".banner")).to_have_text(banner)
    check_usable(person)
    person.keep_picture(f"merchant-books-{verdict}")


def test_a_hold_is_cancelled_and_its_units_are_back_at_once(
    visit: Visit, desk: Desk, shop: Shop, sale: str
) -> None:
    open_sale(shop, sale)
    order = buy(visit, shop, sale, "carol", qty=3, pays=False)
    person = desk(f"#/sales/{sale}")
    free = person.page.locator("[data-sku=desk-mug-white] .shares li[data-kind=available] b")
    expect(free).to_have_text("7")
    go(person, f"#/orders/{order}")
    press(person, "取消订单", "dialog.wide")
    expect(question(person)).to_have_text("取消 carol 的 3 件待付款（¥177.00）？商品立即放出。")
    press(person, "取消订单", "dialog.small")
    expect(person.page.locator("dialog .order-head")).to_contain_text("已取消")
    go(person, f"#/sales/{sale}")
    expect(free).to_have_text("10")


def test_orders_are_filtered_and_saved_as_a_table(
    visit: Visit, desk: Desk, shop: Shop, sale: str
) -> None:
    open_sale(shop, sale)
    order = buy(visit, shop, sale, "dora")
    buy(visit, shop, sale, "erin", pays=False)
    until(
        shop,
        f"/api/v1/orders?sale={sale}",
        lambda page: sorted(one["state"] for one in page["orders"]) == ["paid", "reserved"],
        "both orders are in the ledger",
    )
    person = desk("#/orders")
    rows = person.page.locator(".table tbody tr")
    person.page.get_by_label("场次").select_option(sale)
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("erin")  # the newest
    person.page.get_by_label("买家", exact=True).fill("dora")
    person.page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    person.page.get_by_label("状态").select_option("refunded")
    expect(person.page.locator(".state-card h2")).to_have_text("没有符合条件的记录")
    person.page.get_by_role("link", name="清除筛选").click()
    person.page.get_by_label("场次").select_option(sale)
    with person.page.expect_download() as saving:
        press(person, "导出本场 CSV")
    table = saving.value.path().read_text(encoding="utf-8-sig")
    assert saving.value.suggested_filename.endswith(".csv")
    found = {row["order"]: row["state"] for row in csv.DictReader(io.StringIO(table))}
    assert found[order] == "paid"
    assert sorted(found.values()) == ["paid", "reserved"]
    with person.page.expect_download() as saving:
        press(person, "导出全部数据")
    assert order in saving.value.path().read_text(encoding="utf-8")
    person.check_clean()
