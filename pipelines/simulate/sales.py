"""Orders and their lines on the day they are placed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.demand import Wishes
from pipelines.simulate.parameters import CURRENCY, LOCATION
from pipelines.simulate.streams import Bools, Ints, Purpose
from pipelines.simulate.world import Day, World


@dataclass(frozen=True)
class Baskets:
    """The day's wishes, the units sold to each, and by basket who stands behind it and its order's number.

    A basket that sold nothing has order number 0.
    """

    wishes: Wishes
    filled: Ints
    customer: Ints
    is_guest: Bools
    order: Ints

    @property
    def sells(self) -> Bools:
        return np.asarray(self.order > 0)


@dataclass(frozen=True)
class Sales:
    """The day's orders, and their lines, which name their order by its position. Money is in pence."""

    day: int
    number: Ints
    customer: Ints
    is_guest: Bools
    ordered: Ints
    line_order: Ints
    sku: Ints
    quantity: Ints
    price: Ints
    discount: Ints

    @cached_property
    def order_id(self) -> pa.Array:
        return order_id(self.number)

    @cached_property
    def order_line_id(self) -> pa.Array:
        number = text.whole(rank_in(self.line_order) + 1)
        return text.joined(text.picked(self.order_id, self.line_order), "-", number)

    @property
    def net(self) -> Ints:
        return self.price * self.quantity - self.discount


def order_id(number: Ints) -> pa.Array:
    return text.numbered("O", number, 9)


def rank_in(group: Ints) -> Ints:
    """The place of each entry among those of its group, from 0; the groups must be sorted."""
    return np.arange(len(group)) - np.searchsorted(group, group, side="left")


def baskets(world: World, day: int, wishes: Wishes, filled: Ints, next_order: int) -> Baskets:
    """Find the people behind the baskets and number the orders from `next_order` on."""
    rng, size = world.stream(Purpose.BUYERS, day), wishes.baskets
    sells = np.bincount(wishes.basket, weights=filled, minlength=size) > 0
    return Baskets(
        wishes,
        filled,
        world.customers.draw(rng, size),
        rng.random(size) < world.parameters.orders.guest_share,
        np.where(sells, next_order + np.cumsum(sells) - 1, 0),
    )


def sales(world: World, day: Day, of: Baskets, bought: Ints) -> Sales:
    """Turn what was sold into orders; `bought` is the instant at which each basket was paid for."""
    is_line = of.filled > 0
    position = np.cumsum(of.sells) - 1
    sku, quantity = of.wishes.sku[is_line], of.filled[is_line]
    price = world.catalog.price_pence[sku]
    return Sales(
        day=day.number,
        number=of.order[of.sells],
        customer=of.customer[of.sells],
        is_guest=of.is_guest[of.sells],
        ordered=bought[of.sells],
        line_order=position[of.wishes.basket[is_line]],
        sku=sku,
        quantity=quantity,
        price=price,
        discount=np.rint(price * quantity * day.discount_percent[sku] / 100).astype(np.int64),
    )


def order_rows(world: World, placed: Sales) -> pa.Table:
    """The orders as they stand on their first evening: paid. Tax is on top of prices."""
    own, customers = world.parameters.orders, world.customers
    rng, size = world.stream(Purpose.ORDERS, placed.day), len(placed.number)
    goods = np.bincount(placed.line_order, weights=placed.net, minlength=size).astype(np.int64)
    voucher = np.where(rng.random(size) < own.voucher_share, goods * own.voucher_percent // 100, 0)
    shipping = np.where(goods >= own.free_shipping_pence, 0, own.shipping_pence)
    is_member = ~placed.is_guest
    guest_mail = text.joined("guest", text.whole(placed.number), "@example.net")
    ordered = text.instants(placed.ordered)
    return text.rows(
        "orders",
        {
            "order_id": placed.order_id,
            "customer_id": text.only(customers.customer_id(placed.customer), is_member),
            "ordered_at": ordered,
            "status": text.constant("paid", size),
            "location_id": text.constant(LOCATION, size),
            "channel": text.chosen(["web", "app"], (rng.random(size) < own.app_share).astype(np.int64)),
            "currency": text.constant(CURRENCY, size),
            "discount_amount": text.decimal(voucher, 2),
            "shipping_amount": text.decimal(shipping, 2),
            "tax_amount": text.decimal((goods - voucher + shipping) * own.tax_percent // 100, 2),
            "ship_country": customers.country(placed.customer),
            "email": text.either(is_member, customers.email(placed.customer), guest_mail),
            "updated_at": ordered,
        },
    )


def line_rows(world: World, placed: Sales) -> pa.Table:
    return text.rows(
        "order_lines",
        {
            "order_line_id": placed.order_line_id,
            "order_id": text.picked(placed.order_id, placed.line_order),
            "sku": text.picked(world.catalog.sku, placed.sku),
            "quantity": text.whole(placed.quantity),
            "unit_price": text.decimal(placed.price, 2),
            "discount_amount": text.decimal(placed.discount, 2),
            "cancelled_quantity": text.constant("0", len(placed.sku)),
            "updated_at": text.instants(placed.ordered[placed.line_order]),
        },
    )
