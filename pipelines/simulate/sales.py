"""Orders and their lines on the day they are placed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.demand import position
from pipelines.simulate.fraud import is_card_testing
from pipelines.simulate.parameters import CURRENCY, LOCATION, SECOND_CURRENCY
from pipelines.simulate.streams import Bools, Floats, Ints, Purpose, mixed
from pipelines.simulate.trade import Comers
from pipelines.simulate.world import Day, World


@dataclass(frozen=True)
class Sales:
    """The day's orders, and their lines, which name their order by its position. Money is in pence.

    `visit` is the position of the order's visit among the day's; `customer` is -1 for a stranger.
    """

    day: int
    visit: Ints
    number: Ints
    customer: Ints
    is_guest: Bools
    is_card_testing: Bools
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
        number = text.whole(position(np.bincount(self.line_order, minlength=len(self.number))) + 1)
        return text.joined(text.picked(self.order_id, self.line_order), "-", number)

    @property
    def net(self) -> Ints:
        return self.price * self.quantity - self.discount


def order_id(number: Ints) -> pa.Array:
    return text.numbered("O", number, 9)


def sales(day: Day, comers: Comers, bought: Ints) -> Sales:
    """Turn what was sold into orders; `bought` is the instant at which each visit paid."""
    sells, is_line = comers.order > 0, comers.sold > 0
    place = np.cumsum(sells) - 1
    who, sku, quantity = comers.visits, comers.wanted.sku[is_line], comers.sold[is_line]
    price = day.list_pence[sku]
    return Sales(
        day=day.number,
        visit=np.flatnonzero(sells),
        number=comers.order[sells],
        customer=who.customer[sells],
        is_guest=~who.is_member[sells],
        is_card_testing=is_card_testing(who)[sells],
        ordered=bought[: who.size][sells],
        line_order=place[comers.wanted.basket[is_line]],
        sku=sku,
        quantity=quantity,
        price=price,
        discount=np.rint(price * quantity * day.discount_percent[sku] / 100).astype(np.int64),
    )


def country_index(world: World, placed: Sales) -> Ints:
    """Where each order goes, as an index into the customers' countries; a stranger's to the first."""
    known = world.customers.country_index(np.maximum(placed.customer, 0))
    return np.where(placed.customer >= 0, known, 0)


def order_rows(world: World, placed: Sales) -> pa.Table:
    """The orders as they stand on their first evening: paid. Tax is on top of prices."""
    own, customers = world.parameters.orders, world.customers
    rng, size = world.stream(Purpose.ORDERS, placed.day), len(placed.number)
    country = country_index(world, placed)
    tax, rate = _tax_and_rate(world)
    goods = np.bincount(placed.line_order, weights=placed.net, minlength=size).astype(np.int64)
    voucher = np.where(rng.random(size) < own.voucher_share, goods * own.voucher_percent // 100, 0)
    shipping = np.where(goods >= own.free_shipping_pence, 0, own.shipping_pence)
    is_member = ~placed.is_guest
    customer = np.maximum(placed.customer, 0)
    ordered = text.instants(placed.ordered)
    return text.rows(
        "orders",
        {
            "order_id": placed.order_id,
            "customer_id": text.only(customers.customer_id(customer), is_member),
            "ordered_at": ordered,
            "status": text.constant("paid", size),
            "location_id": text.constant(LOCATION, size),
            "channel": text.chosen(["web", "app"], (rng.random(size) < own.app_share).astype(np.int64)),
            "currency": currencies(world, placed),
            "discount_amount": text.decimal(converted(voucher, rate[country]), 2),
            "shipping_amount": text.decimal(converted(shipping, rate[country]), 2),
            "tax_amount": text.decimal(converted((goods - voucher + shipping) * tax[country] // 100, rate[country]), 2),
            "ship_country": customers.country_name(country),
            "email": emails(world, placed)[0],
            "updated_at": ordered,
        },
    )


def _tax_and_rate(world: World) -> tuple[Ints, Floats]:
    """Tax in percent and exchange rate by country index."""
    own, second = world.parameters.orders, dict(world.parameters.orders.second_tax_percent)
    names = world.customers.countries
    if world.currencies == 1:
        return np.full(len(names), own.tax_percent), np.ones(len(names))
    tax = [second.get(name, own.tax_percent) for name in names]
    return np.array(tax), np.array([own.second_rate if name in second else 1.0 for name in names])


def rates(world: World, placed: Sales) -> Floats:
    """The exchange rate of each order."""
    return _tax_and_rate(world)[1][country_index(world, placed)]


def converted(pence: Ints, rate: Floats) -> Ints:
    return np.rint(pence * rate).astype(np.int64)


def currencies(world: World, placed: Sales) -> pa.Array:
    is_second = rates(world, placed) != 1.0
    return text.chosen([CURRENCY, SECOND_CURRENCY], is_second.astype(np.int64))


def emails(world: World, placed: Sales) -> tuple[pa.Array, Bools]:
    """The addresses given: an account's, now and then its owner's second one, a guest's own or one for once.

    Returns also which are for once.
    """
    own, customers = world.parameters, world.customers
    rng, size = world.stream(Purpose.GUESTS, placed.day), len(placed.number)
    customer, known = np.maximum(placed.customer, 0), placed.customer >= 0
    uses_second = customers.traits.has_second_email[customer] & (rng.random(size) < own.customers.second_email_use)
    for_once = placed.is_guest & ((rng.random(size) >= own.orders.guest_own_email_share) | ~known)
    account = text.either(uses_second, customers.second_email(customer), customers.email(customer))
    guest = text.joined("guest", text.whole(mixed(world.seed, placed.number)), "@example.net")
    return text.either(for_once, guest, account), for_once


def line_rows(world: World, placed: Sales) -> pa.Table:
    rate = rates(world, placed)[placed.line_order]
    return text.rows(
        "order_lines",
        {
            "order_line_id": placed.order_line_id,
            "order_id": text.picked(placed.order_id, placed.line_order),
            "sku": text.picked(world.catalog.sku, placed.sku),
            "quantity": text.whole(placed.quantity),
            "unit_price": text.decimal(converted(placed.price, rate), 2),
            "discount_amount": text.decimal(converted(placed.discount, rate), 2),
            "cancelled_quantity": text.constant("0", len(placed.sku)),
            "updated_at": text.instants(placed.ordered[placed.line_order]),
        },
    )
