"""The merchant desk's views of sharing: ladders, coupons, links, vouchers and commissions."""

from __future__ import annotations

import csv
import io
import re
import uuid

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser_merchant import Desk, answer, buy, go, open_sale, press, question
from tests.e2e.browser_merchant_sharing import (
    choose,
    come,
    fill,
    publish_ladder,
    share,
    spend,
    until,
)
from tests.e2e.browser_support import Shop, Visit

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures", "tests.e2e.browser_merchant_fixtures"]

POINTS = {"needs": 1, "kind": "points", "title": "百分", "stock": 9, "points": 100}
GIFT = {"needs": 2, "kind": "voucher", "title": "青瓷杯", "stock": 3, "cost_minor": 5900}


def new_batch(shop: Shop, **changes: object) -> str:
    """A batch of coupons that take ten off; its id."""
    name = f"batch-{uuid.uuid4().hex[:10]}"
    body = {
        "id": name,
        "title": "十元券",
        "kind": "amount",
        "currency": "CNY",
        "amount_minor": 1_000,
        "issue_max": 100,
        **changes,
    }
    shop.call("POST", "/api/v1/coupon-batches", body)
    return name


# ladders


def test_a_ladder_is_planned_told_what_is_wrong_reckoned_and_published(
    desk: Desk, shop: Shop, room: str
) -> None:
    batch = new_batch(shop)
    person = desk(f"#/plan?room={room}")
    page = person.page
    expect(page.locator("#view h1")).to_have_text("新建阶梯")
    fill(person, "title", "春季邀友")
    fill(person, "budget_minor", "1000")
    for number, (title, stock) in enumerate((("十元券", "50"), ("红包", "20"), ("杯子", "5"))):
        fill(person, f"tiers.{number}.title", title)
        fill(person, f"tiers.{number}.stock", stock)
    choose(person, "tiers.0.coupon_batch", batch)
    expect(page.locator('[data-field="tiers.0.cost_minor"] input')).to_have_value("10.00")
    choose(person, "tiers.1.kind", "red_packet")
    fill(person, "tiers.1.pool_minor", "0.19")
    choose(person, "tiers.2.kind", "voucher")
    fill(person, "tiers.2.cost_minor", "59")
    fill(person, "tiers.1.needs", "3")
    press(person, "保存草稿")
    problem = page.locator('[data-field="tiers.1.needs"] .field-problem')
    expect(problem).to_have_text("要多于上一档")
    fill(person, "tiers.1.needs", "10")
    press(person, "保存草稿")
    problem = page.locator('[data-field="tiers.1.pool_minor"] .field-problem')
    expect(problem).to_have_text("红包总额不够分：每份至少一分")
    fill(person, "tiers.1.pool_minor", "400")
    expect(question(person)).to_have_count(0)
    total = page.locator("#view .question")
    over = "全部发完花费 ¥1,195.00，超出预算 ¥195.00。可以保存草稿，但不能发布。"
    expect(total).to_have_text(over)
    press(person, "测算")
    expect(page.locator(".costs .banner")).to_contain_text("预算不够")
    press(person, "保存草稿")

    expect(page.locator("#view h1")).to_have_text("春季邀友")
    expect(page.locator(".page-title .state")).to_have_text("草稿")
    expect(page.locator("[data-key=act-publish]")).to_be_disabled()
    page.get_by_role("link", name="修改").click()
    fill(person, "budget_minor", "1200")
    expect(total).to_have_text("全部发完花费 ¥1,195.00，预算 ¥1,200.00，还剩 ¥5.00。")
    press(person, "保存草稿")
    rows = page.locator(".costs tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("¥3.00")  # 30 for the ten who bring one to tier 2
    press(person, "发布")
    expect(question(person)).to_have_text(
        f"在直播间 {room} 发布“春季邀友”，共 3 档，最多花费 ¥1,195.00（预算 ¥1,200.00）？"
        "发布后不能修改。"
    )
    answer(person, "发布")
    expect(page.locator(".page-title .state")).to_have_text("进行中")
    stored = shop.call("GET", f"/api/v1/ladders?room={room}")["ladders"][0]
    assert [tier["kind"] for tier in stored["tiers"]] == ["coupon", "red_packet", "voucher"]
    assert stored["thresholds"]["stay_ms"] == 60_000
    person.check_clean()


def test_arrivals_tell_why_they_count_the_ranking_is_a_file_and_a_gift_is_handed_over_once(
    visit: Visit, desk: Desk, shop: Shop, room: str
) -> None:
    ladder = publish_ladder(shop, room, [POINTS, GIFT])
    inviter = f"inviter-{room}"[:60]
    code = share(visit, shop, room, inviter, channel="sms")
    for number in (1, 2):
        come(visit, shop, room, f"new-{number}-{room}"[:60], stay_ms=1_300, likes=1, share=code)
    come(visit, shop, room, f"short-{room}"[:60], likes=1, share=code)
    come(visit, shop, room, inviter, stay_ms=1_300, likes=1, share=code)
    path = f"/api/v1/ladders/{ladder}"
    until(
        shop,
        f"{path}/arrivals",
        lambda found: found["counts"].get("valid") == 2 and "self_invite" in found["counts"],
        "two arrivals count",
    )
    person = desk(f"#/ladders/{ladder}")
    page = person.page
    expect(page.locator("[data-tier='1'] .shares li").first).to_contain_text("1")
    page.get_by_role("link", name="到访", exact=True).click()
    bars = page.locator(".bars li")
    expect(bars.filter(has_text="有效")).to_contain_text("2")
    expect(bars.filter(has_text="邀请人本人")).to_contain_text("1")
    choose(person, "verdict", "self_invite")
    expect(page.locator(".table tbody tr")).to_have_count(1)
    expect(page.locator(".table tbody tr .state")).to_have_text("邀请人本人，或与其浏览器相同")

    page.get_by_role("link", name="排行榜").click()
    expect(page.locator(".table tbody tr")).to_have_count(1)
    with page.expect_download() as saving:
        press(person, "导出排行榜 CSV")
    table = saving.value.path().read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["user"], row["valid"]) == (inviter, "2")

    page.get_by_role("link", name="奖励发放").click()
    expect(page.locator(".table tbody tr")).to_have_count(2)
    grants = shop.call("GET", f"{path}/grants")["grants"]
    (voucher,) = [one["code"] for one in grants if one["kind"] == "voucher"]
    go(person, "#/vouchers")
    fill(person, "code", voucher.lower().replace("-", " "))
    press(person, "核销")
    expect(page.locator(".verdict h2")).to_have_text("请交付：青瓷杯")
    fill(person, "code", voucher)
    press(person, "核销")
    expect(page.locator(".till .field-problem")).to_contain_text("与现有状态冲突")

    go(person, f"#/ladders/{ladder}")
    press(person, "结束活动")
    expect(question(person)).to_contain_text("排行榜定格，不能重新开始。")
    answer(person, "结束活动")
    expect(page.locator(".page-title .state")).to_have_text("已结束")
    expect(page.locator(".page-tools")).to_have_count(0)
    page.get_by_role("link", name="排行榜").click()
    expect(page.locator("#view")).to_contain_text("活动结束时定格的排行榜。")
    assert shop.call("GET", f"{path}/ranking")["frozen"] is True


# coupons


def test_a_batch_of_coupons_is_made_where_it_is_wrong_and_granted_once(
    desk: Desk, shop: Shop, room: str
) -> None:
    person = desk("#/coupons")
    page = person.page
    title = f"满减 {room}"[:60]
    page.locator("[data-key=new]").click()
    dialog = "dialog[open]"
    fill(person, "title", title, dialog)
    page.locator("dialog .segment").filter(has_text="满减").click()
    fill(person, "amount_minor", "20", dialog)
    fill(person, "threshold_minor", "15", dialog)
    choose(person, "scope", "rooms", dialog)
    press(person, "创建优惠券", dialog)
    expect(page.locator("dialog [data-field='scope.rooms'] .field-problem")).to_have_text(
        "请至少选择一项"
    )
    page.locator(f"dialog input[value={room}]").check()
    press(person, "创建优惠券", dialog)
    low = page.locator("dialog [data-field=threshold_minor] .field-problem")
    expect(low).to_have_text("要高于减的金额")
    fill(person, "threshold_minor", "100", dialog)
    expect(question(person)).to_have_text(
        f"创建“{title}”：满 ¥100.00 减 ¥20.00，共 100 张，每人最多 1 张？创建后不能修改。"
    )
    answer(person, "创建优惠券")
    batches = shop.call("GET", "/api/v1/coupon-batches?limit=100")["batches"]
    (batch,) = [one for one in batches if one["title"] == title]
    assert (batch["threshold_minor"], batch["amount_minor"]) == (10_000, 2_000)
    assert batch["scope"]["rooms"] == [room]

    page.get_by_role("link", name=title).click()
    expect(page.locator("dialog .order-head")).to_have_text(title)
    press(person, "发给用户", dialog)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/grant", lose, times=1)
    fill(person, "user", "alice", "dialog.small")
    press(person, "发给用户", "dialog.small")
    expect(page.locator("dialog.small .field-error")).to_contain_text("不会重复执行")
    press(person, "发给用户", "dialog.small")
    expect(page.locator("dialog.small")).to_have_count(0)
    expect(page.locator("dialog .facts")).to_contain_text("1 / 100")
    assert shop.call("GET", f"/api/v1/coupon-batches/{batch['id']}")["issued"] == 1
    press(person, "发给用户", dialog)
    fill(person, "user", "alice", "dialog.small")
    press(person, "发给用户", "dialog.small")
    expect(page.locator("dialog.small .field-problem")).to_contain_text("与现有状态冲突")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert page.evaluate("location.hash") == "#/coupons"


def test_a_batch_of_coupons_may_be_for_one_variant_of_a_product(
    desk: Desk, shop: Shop, room: str
) -> None:
    sku = f"{room}-white"[:64]
    skus = [{"sku": sku, "title": "白", "price_minor": 5_900}]
    skus.append({"sku": f"{room}-blue"[:64], "title": "蓝", "price_minor": 6_900})
    mug = {"id": room, "title": "青瓷杯", "price_minor": 5_900, "currency": "CNY", "skus": skus}
    shop.call("POST", "/api/v1/products", mug)
    person = desk("#/coupons")
    page = person.page
    page.locator("[data-key=new]").click()
    dialog = "dialog[open]"
    title = f"一款 {room}"[:60]
    fill(person, "title", title, dialog)
    fill(person, "amount_minor", "5", dialog)
    choose(person, "scope", "skus", dialog)
    press(person, "创建优惠券", dialog)
    scope = page.locator("dialog [data-field='scope.skus']")
    expect(scope.locator(".field-problem")).to_have_text("请至少选择一项")
    expect(scope.locator("label").filter(has=page.locator(f"input[value={sku}]"))).to_have_text(
        "青瓷杯 · 白"
    )
    scope.locator(f"input[value={sku}]").check()
    answer(person, "创建优惠券")
    batches = shop.call("GET", "/api/v1/coupon-batches?limit=100")["batches"]
    (batch,) = [one for one in batches if one["title"] == title]
    assert batch["scope"] == {"skus": [sku], "products": [], "sales": [], "rooms": []}


def test_a_coupon_that_was_spent_stands_on_its_order_and_in_the_figures_of_its_batch(
    visit: Visit, desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    open_sale(shop, sale)
    batch = new_batch(shop)
    user = f"saver-{room}"[:60]
    grant = {"user": user, "request_id": "g-1"}
    shop.call("POST", f"/api/v1/coupon-batches/{batch}/grant", grant)
    order = spend(visit, shop, room, sale, user)
    path = f"/api/v1/coupon-batches/{batch}"
    until(shop, path, lambda found: found["spent"] == 1, "the coupon is spent in the ledger")
    person = desk(f"#/orders/{order}")
    dialog = person.page.locator("dialog.wide")
    expect(dialog.locator(".order-head")).to_contain_text("¥49.00")
    expect(dialog).to_contain_text("十元券")
    expect(dialog).to_contain_text("−¥10.00")
    go(person, f"#/coupons/{batch}")
    expect(dialog.locator(".shares li[data-kind=sold]")).to_contain_text("1")
    expect(dialog.locator(".facts")).to_contain_text("¥10.00")
    person.check_clean()


# links


def test_a_campaign_link_is_made_copied_saved_and_counted(
    visit: Visit, desk: Desk, shop: Shop, room: str
) -> None:
    person = desk(f"#/links?room={room}")
    page = person.page
    person.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(person, "新建链接")
    choose(person, "channel", "sms", "dialog[open]")
    expect(page.locator("dialog [data-field=channel] [role=status]")).not_to_be_empty()
    fill(person, "campaign", "spring-2027", "dialog[open]")
    fill(person, "staff", "lin.mei", "dialog[open]")
    press(person, "创建链接", "dialog[open]")
    dialog = page.locator("dialog[aria-label=推广链接]")
    expect(dialog.locator(".facts")).to_contain_text("spring-2027")
    (link,) = shop.call("GET", f"/api/v1/links?room={room}")["links"]
    expect(dialog.locator("input")).to_have_value(link["url"])
    natural = "(image) => image.decode().then(() => image.naturalWidth > 0)"
    assert dialog.locator("img.qr").evaluate(natural)
    press(person, "复制", "dialog[open]")
    assert page.evaluate("navigator.clipboard.readText()") == link["url"]
    with page.expect_download() as saving:
        dialog.get_by_role("link", name="下载二维码").click()
    assert saving.value.path().read_bytes().startswith(b"\x89PNG")
    page.keyboard.press("Escape")
    expect(page.locator(".table tbody tr")).to_have_count(1)
    expect(page.locator(".table tbody tr")).to_contain_text("短信")
    person.check_clean()


# commissions


def test_the_plan_of_a_room_is_changed_after_its_numbers_were_read(
    desk: Desk, shop: Shop, room: str
) -> None:
    person = desk(f"#/commissions?room={room}")
    page = person.page
    press(person, "修改方案")
    fill(person, "level1_bp", "80", "dialog[open]")
    press(person, "保存", "dialog[open]")
    wrong = page.locator("dialog [data-field=level1_bp] .field-problem")
    expect(wrong).to_have_text("请填写 0 到 50 之间的百分比，最多两位小数")
    fill(person, "level1_bp", "12.5", "dialog[open]")
    fill(person, "level2_bp", "0", "dialog[open]")
    fill(person, "window_days", "3", "dialog[open]")
    expect(question(person)).to_have_text(
        f"直播间 {room} 今后的付款订单：邀请人得 12.5%，3 天后可用？"
    )
    answer(person, "保存")
    expect(page.locator(".plan-card")).to_contain_text("12.5%")
    expect(page.locator(".plan-card")).to_contain_text("3 天")
    assert shop.call("GET", f"/api/v1/rooms/{room}/commission")["level1_bp"] == 1_250
    expect(page.locator(".state-card h2")).to_have_text(re.compile("没有"))
    person.check_clean()


def test_what_an_invitation_earned_is_listed_accounted_for_and_taken_back_with_the_money(
    visit: Visit, desk: Desk, shop: Shop, sale: str, room: str
) -> None:
    open_sale(shop, sale)
    plan = {"level1_bp": 1_000, "level2_bp": 0, "window_days": 7}
    shop.call("PUT", f"/api/v1/rooms/{room}/commission", plan)
    inviter, friend = f"brings-{room}"[:60], f"comes-{room}"[:60]
    code = share(visit, shop, room, inviter, channel="sms")
    come(visit, shop, room, friend, share=code)
    path = f"/api/v1/visits?room={room}&person={friend}"
    until(shop, path, lambda found: len(found["visits"]) == 1, "the visit is written")
    order = buy(visit, shop, sale, friend)
    path = f"/api/v1/commissions?room={room}"
    until(shop, path, lambda found: len(found["commissions"]) == 1, "the commission is decided")
    person = desk(f"#/commissions?room={room}")
    page = person.page
    row = page.locator(".table tbody tr")
    expect(row).to_contain_text(order)
    expect(row).to_contain_text("¥5.90")
    expect(row.locator(".state")).to_have_text("待结算")
    row.get_by_role("link", name=inviter).click()
    expect(page.locator("[data-account=pending] .balance")).to_have_text("¥5.90")
    refund = {"restock": True, "reason": "back", "request_id": f"r-{order}"}
    shop.call("POST", f"/api/v1/orders/{order}/refund", refund)
    until(
        shop,
        path,
        lambda found: found["commissions"][0]["state"] == "reversed",
        "the commission is taken back",
    )
    page.get_by_role("link", name="佣金", exact=True).last.click()
    expect(page.locator(".table tbody tr .state")).to_have_text("已收回")
    with page.expect_download() as saving:
        press(person, "对账单 CSV")
    table = saving.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sum(int(row["amount"]) for row in rows if row["account"] == "pending") == 0
    assert len(rows) == 2
    person.check_clean()
